"""python official.py MODEL OUT: the official path to ONNX, Keras's own export through TensorFlow and tf2onnx."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np

source, out = sys.argv[1:]
model = keras.models.load_model(source, compile=False)
# Keras refuses to export a loaded model that was never called.
model(np.zeros((1, *model.input_shape[1:]), np.float32))
model.export(out, format="onnx", verbose=False)
