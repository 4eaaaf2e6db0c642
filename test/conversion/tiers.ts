/** What conversion must take whole (0), what nearly whole (1); everything else is refused by its name. */
const tier0 = new Set(
  `Activation Add AlphaDropout Average AveragePooling1D AveragePooling2D BatchNormalization Bidirectional Concatenate Conv1D
  Conv1DTranspose Conv2D Conv2DTranspose Cropping1D Cropping2D Dense DepthwiseConv1D DepthwiseConv2D Dropout ELU Embedding Flatten GRU
  GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D InputLayer
  LSTM LSTMCell LayerNormalization LeakyReLU MaxPooling1D MaxPooling2D Maximum Minimum Multiply Normalization PReLU Permute ReLU
  RepeatVector Rescaling Reshape SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D
  Subtract TimeDistributed UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D Sequential Functional Model`.split(
    /\s+/,
  ),
);

/** Cases beyond both: classes and options that conversion promises to nobody. */
const beyond =
  /^keras[23]-(lambda|conv-lstm|text-vectorization|string-lookup|hashing|locally-connected|random-crop|spectral-normalization|lstm-stateful)$/;

/** Options of tier 0 and 1 that are refused: each is a gap that has a name. */
const gaps = /^keras2-operation-einsum-keras2$|^keras3-resizing-bytes$/;

export const isBeyond = (name: string): boolean => beyond.test(name);
export const isRefused = (name: string): boolean => beyond.test(name) || gaps.test(name);

/** 0 where every class is of tier 0, 1 otherwise; the curved interpolations are Resizing's, whoever asks for them. */
export const tierOf = (name: string, classes: readonly string[]): 0 | 1 =>
  classes.every((each) => tier0.has(each)) && !/-upsampling-(bicubic|lanczos)$/.test(name) ? 0 : 1;
