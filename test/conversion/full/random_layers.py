"""What random_models.py grows models from: for each rank of a tensor, layers with random options; ways to merge; raw operations."""

import tensorflow as tf

ACTIVATIONS = ["relu", "tanh", "sigmoid", "elu", "selu", "softplus", "softsign", "gelu", "swish", "hard_sigmoid", "linear", "softmax", "mish", "relu6", "leaky_relu", "exponential"]
STEPS = {"ids": [], 2: [], 3: [], 4: [], 5: []}
MERGES, OPERATIONS2, OPERATIONS3 = [], [], []
# Raw operations that change no number; a mask goes through some of them.
SAME = []


def step(*ranks):
    def register(make):
        for rank in ranks:
            STEPS[rank].append(make)
        return make

    return register


def merge(make):
    MERGES.append(make)
    return make


def activation(net):
    return net.pick(*ACTIVATIONS[:-1]) if net.chance(0.6) else None


def open_sizes(x):
    return None in tuple(x.shape)[1:]


def fixed(x):
    from random_models import Unfit

    if open_sizes(x):
        raise Unfit("sizes are open")
    return tuple(x.shape)[1:]


@step("ids", "ids")
def masked_operation(net, x):
    y = net.call(net.layer("Embedding", 6, 3, mask_zero=True), x)
    same3, same2 = net.pick(*SAME)
    net.mark(y)
    y = net.add(same3(y, net.k.ops) if net.is3 else same2(y))
    net.call(net.layer(net.pick("GRU", "LSTM", "SimpleRNN"), 2, return_sequences=net.chance(0.3)), y)


# Any rank
@step(2, 3, 4, 5)
def dense(net, x):
    net.call(net.layer("Dense", net.rng.randint(1, 5), activation=activation(net), use_bias=net.chance(0.8)), x)


@step(2, 3, 4, 5)
def activate(net, x):
    net.call(net.layer("Activation", net.pick(*ACTIVATIONS)) if net.chance(0.5) else net.layer(*net.pick(("ReLU", 3.0), ("LeakyReLU",), ("ELU", 0.6), ("Softmax",), ("PReLU",) if not open_sizes(x) else ("ReLU",))), x)


@step(2, 3, 4, 5)
def normalize(net, x):
    kind = net.pick("BatchNormalization", "LayerNormalization", "UnitNormalization", "BatchNormalization")
    config = {} if kind == "UnitNormalization" else {"scale": net.chance(0.7), "center": net.chance(0.7), "epsilon": net.pick(1e-3, 1e-5)}
    net.call(net.layer(kind, **config), x)


@step(2, 3, 4)
def pass_on(net, x):
    net.call(net.layer(*net.pick(("Dropout", 0.3), ("GaussianNoise", 0.3), ("GaussianDropout", 0.3), ("ActivityRegularization",), ("Rescaling", 0.5, -0.2))), x)


@step(3, 4, 5)
def flatten(net, x):
    fixed(x)
    net.call(net.layer("Flatten"), x)


# Vectors
@step(2)
def vector_shapes(net, x):
    (size,) = fixed(x)
    shapes = [(a, size // a) for a in range(1, size + 1) if size % a == 0]
    net.call(net.layer("RepeatVector", net.rng.randint(2, 4)) if net.chance(0.4) else net.layer("Reshape", net.pick(*shapes, (-1, 1))), x)


@step(2)
def to_image(net, x):
    net.call(net.layer("Reshape", (4, 4, 2)), net.call(net.layer("Dense", 32), x))


# Sequences
def recurrent_layer(net, sequences=None, **more):
    kind = net.pick("LSTM", "GRU", "SimpleRNN")
    config = {"return_sequences": net.chance(0.6) if sequences is None else sequences, "go_backwards": net.chance(0.2), "use_bias": net.chance(0.85), **more}
    if net.chance(0.2):
        config["activation"] = net.pick("relu", "sigmoid", "softsign", "elu")
    if kind != "SimpleRNN" and net.chance(0.3):
        config["recurrent_activation"] = net.pick("hard_sigmoid", "tanh")
    if kind == "GRU":
        config["reset_after"] = net.chance(0.6)
    return kind, config


@step(3, 3)
def recurrent(net, x):
    kind, config = recurrent_layer(net)
    units = net.rng.randint(1, 4)
    cells = {"LSTM": "LSTMCell", "GRU": "GRUCell", "SimpleRNN": "SimpleRNNCell"}
    roll = net.rng.random()
    if roll < 0.3:
        if config["go_backwards"]:
            config["go_backwards"] = False
        inner = getattr(net.L, kind)(units, **config)
        net.call(net.layer("Bidirectional", inner, merge_mode=net.pick("concat", "sum", "mul", "ave")), x)
    elif roll < 0.45:
        kept = {key: config.pop(key) for key in ("return_sequences", "go_backwards")}
        some = [getattr(net.L, cells[kind])(units, **config), *([net.L.SimpleRNNCell(2)] if net.chance(0.5) else [])]
        net.call(net.layer("RNN", some if len(some) > 1 or net.chance(0.3) else some[0], **kept), x)
    elif roll < 0.6:
        y = net.layer(kind, units, **config, return_state=True)(x)
        net.mark(x)
        net.add(*y)
        if kind != "SimpleRNN" and net.chance(0.6):
            net.add(net.layer(kind, units, return_sequences=True)(x, initial_state=list(y[1:])))
    else:
        net.call(net.layer(kind, units, **config), x)


@step(3)
def convolve1(net, x):
    padding = net.pick("same", "causal")
    net.call(net.layer("Conv1D", net.rng.randint(1, 4), net.rng.randint(1, 3), padding=padding, strides=net.pick(1, 2), activation=activation(net), use_bias=net.chance(0.8)), x)


@step(3)
def shapes1(net, x):
    net.call(net.layer(*net.pick(("ZeroPadding1D", (1, 2)), ("UpSampling1D", 2), ("MaxPooling1D", 2, 1, "same"), ("AveragePooling1D", 2, 2, "same"), ("GlobalAveragePooling1D",), ("GlobalMaxPooling1D",), ("SeparableConv1D", 3, 2, 1, "same"), ("DepthwiseConv1D", 2, 1, "same"), ("Permute", (2, 1)), ("Conv1DTranspose", 2, 3, 2, "same"), ("SpatialDropout1D", 0.2))), x)


@step(3)
def attend(net, x):
    y = net.of(3) if net.chance(0.5) else x
    causal = {"use_causal_mask": True} if net.chance(0.25) else {}
    heads = net.layer("MultiHeadAttention", net.rng.randint(1, 3), net.rng.randint(2, 3), use_bias=net.chance(0.8), **({"value_dim": 2} if net.chance(0.3) else {}))
    net.mark(x, y)
    net.add(heads(x, y, **causal))


@step(3)
def attend_simply(net, x):
    y = net.like(x)
    net.call(net.layer("Attention", use_scale=net.chance(0.5)) if net.chance(0.5) else net.layer("AdditiveAttention"), [x, y])


@step(3, 4)
def distribute(net, x):
    inner = net.L.Dense(2, activation="tanh") if len(x.shape) == 3 else net.L.Conv1D(2, 2, padding="same")
    net.call(net.layer("TimeDistributed", inner), x)


@step(3)
def mask(net, x):
    kind, config = recurrent_layer(net)
    net.call(getattr(net.L, kind)(2, **config), net.call(net.layer("Masking", 0.0), net.call(net.layer("ReLU"), x)))


@step("ids")
def embed(net, x):
    net.call(net.layer("Embedding", 6, net.rng.randint(1, 4), mask_zero=net.chance(0.7)), x)


STEPS["ids"].append(embed)


@step("ids")
def encode(net, x):
    fixed(x)
    net.call(net.layer("CategoryEncoding", 6, output_mode=net.pick("multi_hot", "count")), x)


# Images
@step(4, 4)
def convolve2(net, x):
    size = net.pick(1, 2, 3, (1, 3), (2, 3))
    padding = net.pick("same", "same", "valid")
    strides, dilation = net.pick((1, 1), (2, 1), (1, 2), (3, 1))
    if padding == "valid" and min(d or 5 for d in tuple(x.shape)[1:3]) < 6:
        padding = "same"
    config = {"padding": padding, "strides": strides, "dilation_rate": dilation, "use_bias": net.chance(0.8), "activation": activation(net)}
    kind = net.pick("Conv2D", "Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose")
    if kind in ("SeparableConv2D", "DepthwiseConv2D"):
        config["depth_multiplier"] = net.pick(1, 2)
    if kind == "Conv2DTranspose":
        config["dilation_rate"] = 1
    if kind == "Conv2D" and x.shape[-1] % 2 == 0 and net.chance(0.3):
        config["groups"] = 2
    args = [size] if kind == "DepthwiseConv2D" else [net.pick(2, 4), size]
    net.call(net.layer(kind, *args, **config), x)


@step(4, 4)
def shapes2(net, x):
    net.call(
        net.layer(
            *net.pick(
                ("ZeroPadding2D", ((1, 0), (0, 2))),
                ("UpSampling2D", (2, 1)),
                ("MaxPooling2D", 2, 1, "same"),
                ("MaxPooling2D", (2, 3), None, "same"),
                ("AveragePooling2D", 3, 2, "same"),
                ("GlobalAveragePooling2D",),
                ("GlobalMaxPooling2D",),
                ("Permute", (2, 1, 3)),
                ("Permute", (3, 1, 2)),
                ("SpatialDropout2D", 0.2),
                ("Resizing", 5, 3),
                ("RandomFlip",),
            )
        ),
        x,
    )


@step(4)
def pixels(net, x):
    height, width, channels = fixed(x)
    net.call(net.layer("Reshape", (height * width, channels)), x)


@step(4)
def group_norm(net, x):
    net.call(net.layer("GroupNormalization", groups=net.pick(1, -1)), x)


@step(4)
def cut(net, x):
    if min(fixed(x)[:2]) > 3:
        net.call(net.layer("Cropping2D", ((1, 0), (0, 1))), x)


@step(4)
def residual(net, x):
    y = net.call(net.layer("BatchNormalization"), net.call(net.layer("Conv2D", x.shape[-1], 3, padding="same", use_bias=False), x))
    net.call(net.layer("Add"), [x, y])


@step(4)
def squeeze_excite(net, x):
    channels = x.shape[-1]
    s = net.call(net.layer("Reshape", (1, 1, channels)), net.call(net.layer("GlobalAveragePooling2D"), x))
    net.call(net.layer("Multiply"), [x, net.call(net.layer("Dense", channels, activation="sigmoid"), s)])


# Volumes
@step(5, 5)
def volume(net, x):
    net.call(net.layer(*net.pick(("Conv3D", 2, 2, 1, "same"), ("MaxPooling3D", 2, 2, "same"), ("GlobalAveragePooling3D",), ("AveragePooling3D", 2, 1, "same"))), x)


# Merging
@merge
def merge_alike(net):
    x = net.of(2, 3, 4)
    xs = [x, net.like(x), *([net.like(x)] if net.chance(0.3) else [])]
    kind = net.pick("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Subtract")
    net.call(net.layer(kind), xs[:2] if kind == "Subtract" else xs)


@merge
def merge_axis(net):
    x = net.of(3, 4)
    net.call(net.layer("Concatenate", axis=net.pick(1, -1, 2)), [x, net.like(x)])


@merge
def merge_broadcast(net):
    x, y = net.of(3), net.of(2)
    if x.shape[-1] == y.shape[-1]:
        net.call(net.layer("Add"), [x, net.call(net.layer("Reshape", (1, y.shape[-1])), y)])
    else:
        net.call(net.layer("Dot", axes=net.pick(1, -1), normalize=net.chance(0.5)), [y, net.like(y)])


@merge
def merge_ranks(net):
    """Flattens what is left open together, as the heads of many models do."""
    xs = [net.of(2), net.of(2)]
    net.call(net.layer("Concatenate"), xs)


# Raw operations: (keras.ops, TensorFlow)
def operation(apply3, apply2=None, ranks=(2, 3, 4)):
    def run(apply):
        def make(net):
            x = net.of(*ranks)
            net.mark(x)
            y = apply(net, x)
            net.add(*(y if isinstance(y, (list, tuple)) else [y]))

        return make

    OPERATIONS3.append(run(apply3))
    OPERATIONS2.append(run(apply2 or apply3))


def both(ops, tensorflow, *args, **kwargs):
    operation(lambda net, x: getattr(net.k.ops, ops)(x, *args, **kwargs), lambda net, x: tensorflow(x, *args, **kwargs))


operation(lambda net, x: x * 2.0 + net.like(x))
operation(lambda net, x: 1.0 - x)
operation(lambda net, x: net.like(x) - x / 3.0)
operation(lambda net, x: x**2)
operation(lambda net, x: -x)
operation(lambda net, x: x[:, ::2] if net.chance(0.5) else x[..., :1])
operation(lambda net, x: x[:, 0], ranks=(3, 4))
operation(lambda net, x: x[:, -1:, 1:] if (x.shape[2] or 9) > 1 else x[:, -1], ranks=(3, 4))
operation(lambda net, x: x[:, None])
for ops, tensorflow in (("absolute", tf.abs), ("tanh", tf.tanh), ("sigmoid", tf.sigmoid), ("relu", tf.nn.relu), ("gelu", tf.nn.gelu), ("square", tf.square), ("softplus", tf.nn.softplus), ("sin", tf.sin), ("cos", tf.cos), ("floor", tf.floor), ("sign", tf.sign), ("silu", tf.nn.silu), ("erf", tf.math.erf), ("softmax", tf.nn.softmax), ("relu6", tf.nn.relu6), ("elu", tf.nn.elu)):
    both(ops, tensorflow)
operation(lambda net, x: net.k.ops.sqrt(net.k.ops.abs(x) + 1.0), lambda net, x: tf.sqrt(tf.abs(x) + 1.0))
operation(lambda net, x: net.k.ops.log(net.k.ops.square(x) + 0.5), lambda net, x: tf.math.log(tf.square(x) + 0.5))
operation(lambda net, x: net.k.ops.exp(-net.k.ops.abs(x)), lambda net, x: tf.exp(-tf.abs(x)))
for ops, tensorflow in (("mean", tf.reduce_mean), ("sum", tf.reduce_sum), ("max", tf.reduce_max), ("min", tf.reduce_min), ("logsumexp", tf.reduce_logsumexp), ("var", tf.math.reduce_variance), ("std", tf.math.reduce_std)):
    for axis, keep in ((-1, True), (1, False)):
        operation(lambda net, x, o=ops, a=axis, p=keep: getattr(net.k.ops, o)(x, axis=a, keepdims=p), lambda net, x, o=tensorflow, a=axis, p=keep: o(x, axis=a, keepdims=p), ranks=(3, 4))
operation(lambda net, x: net.k.ops.maximum(x, 0.1), lambda net, x: tf.maximum(x, 0.1))
operation(lambda net, x: net.k.ops.minimum(x, net.like(x)), lambda net, x: tf.minimum(x, net.like(x)))
operation(lambda net, x: net.k.ops.clip(x, -0.5, 0.7), lambda net, x: tf.clip_by_value(x, -0.5, 0.7))
operation(lambda net, x: net.k.ops.where(x > 0.2, x, net.like(x) * 0.5), lambda net, x: tf.where(x > 0.2, x, net.like(x) * 0.5))
operation(lambda net, x: net.k.ops.concatenate([x, net.like(x)], axis=-1), lambda net, x: tf.concat([x, net.like(x)], axis=-1))
operation(lambda net, x: net.k.ops.stack([x, net.like(x)], axis=1), lambda net, x: tf.stack([x, net.like(x)], axis=1), ranks=(2, 3))
operation(lambda net, x: net.k.ops.split(net.k.ops.concatenate([x, x * 0.5], axis=-1), 2, axis=-1), lambda net, x: tf.split(tf.concat([x, x * 0.5], axis=-1), 2, axis=-1))
operation(lambda net, x: net.k.ops.transpose(x, (0, 2, 1)), lambda net, x: tf.transpose(x, (0, 2, 1)), ranks=(3,))
operation(lambda net, x: net.k.ops.matmul(x, net.k.ops.transpose(net.like(x), (0, 2, 1))), lambda net, x: tf.matmul(x, net.like(x), transpose_b=True), ranks=(3,))
operation(lambda net, x: net.k.ops.expand_dims(x, 1), lambda net, x: tf.expand_dims(x, 1), ranks=(2, 3))
operation(lambda net, x: net.k.ops.squeeze(net.k.ops.expand_dims(x, 1), 1), lambda net, x: tf.squeeze(tf.expand_dims(x, 1), 1), ranks=(2, 3))
operation(lambda net, x: net.k.ops.reshape(x, (-1, x.shape[-1])) * 1.0 if len(x.shape) == 2 else net.k.ops.reshape(x, (-1, 1, *x.shape[-2:])) if None not in x.shape[1:] and len(x.shape) == 3 else x + 1.0, lambda net, x: tf.reshape(x, (-1, x.shape[-1])) if len(x.shape) == 2 else tf.reshape(x, (-1, 1, *x.shape[-2:])) if None not in x.shape[1:] and len(x.shape) == 3 else x + 1.0)
operation(lambda net, x: net.k.ops.pad(x, [[0, 0], [1, 2], [0, 1]]), lambda net, x: tf.pad(x, [[0, 0], [1, 2], [0, 1]]), ranks=(3,))
operation(lambda net, x: net.k.ops.tile(x, [1, 2, 1]), lambda net, x: tf.tile(x, [1, 2, 1]), ranks=(3,))
operation(lambda net, x: net.k.ops.flip(x, axis=1), lambda net, x: tf.reverse(x, axis=[1]), ranks=(3,))
operation(lambda net, x: net.k.ops.repeat(x, 2, axis=1), lambda net, x: tf.repeat(x, 2, axis=1), ranks=(2, 3))
operation(lambda net, x: net.k.ops.cast(net.k.ops.argmax(x, axis=-1), x.dtype), lambda net, x: tf.cast(tf.argmax(x, axis=-1), x.dtype), ranks=(3,))
operation(lambda net, x: net.k.ops.one_hot(net.k.ops.argmax(x, axis=-1), 4), lambda net, x: tf.one_hot(tf.argmax(x, axis=-1), 4), ranks=(2, 3))
operation(lambda net, x: net.k.ops.cast(x > net.like(x) * 0.5, x.dtype), lambda net, x: tf.cast(x > net.like(x) * 0.5, x.dtype))
operation(lambda net, x: net.k.ops.einsum("bij,bkj->bik", x, net.like(x)), lambda net, x: tf.einsum("bij,bkj->bik", x, net.like(x)), ranks=(3,))
operation(lambda net, x: net.k.ops.cumsum(x, axis=1), lambda net, x: tf.cumsum(x, axis=1))
operation(lambda net, x: net.k.ops.normalize(x, axis=-1), lambda net, x: tf.nn.l2_normalize(x, axis=-1))
for same3, same2 in (
    (lambda x, ops: ops.stop_gradient(x), tf.stop_gradient),
    (lambda x, ops: ops.convert_to_tensor(x), tf.convert_to_tensor),
    (lambda x, ops: ops.cast(x, x.dtype), lambda x: tf.cast(x, x.dtype)),
    (lambda x, ops: ops.squeeze(ops.expand_dims(x, 1), 1), tf.identity),
):
    operation(lambda net, x, f=same3: f(x, net.k.ops), lambda net, x, f=same2: f(x))
    SAME.append((same3, same2))
