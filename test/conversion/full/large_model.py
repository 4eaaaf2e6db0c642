"""Makes a Keras 3 model of 1.7 GB, in one format: python large_model.py h5|keras <folder>

Writes `record.json` beside the file, as make_layers.py does of its models; what is exact is worked out by numpy in float64."""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

WIDTH = 20500


def pack(arrays):
    return [{"shape": list(array.shape), "data": array.ravel().tolist()} for array in arrays]


def main(end, folder):
    random = np.random.default_rng(WIDTH)
    scaled = lambda *shape: random.standard_normal(shape, dtype=np.float32) / np.float32(shape[0] ** 0.5)
    model = keras.Sequential(
        [
            keras.Input((WIDTH,)),
            keras.layers.Dense(WIDTH, activation="relu", kernel_initializer="zeros"),
            keras.layers.Dense(10),
        ]
    )
    model.layers[0].set_weights([scaled(WIDTH, WIDTH), scaled(WIDTH)])
    model.layers[1].set_weights([scaled(WIDTH, 10), scaled(10)])
    file = f"large.{end}"
    model.save(os.path.join(folder, file))
    x = random.standard_normal((2, WIDTH), dtype=np.float32)
    single = model.predict(x, verbose=0)
    hidden, last = [[variable.astype("float64") for variable in layer.get_weights()] for layer in model.layers]
    double = np.maximum(x.astype("float64") @ hidden[0] + hidden[1], 0) @ last[0] + last[1]
    record = {"files": [file], "inputs": pack([x]), "outputs": pack([double]), "kerasErrors": [float(np.abs(single - double).max())]}
    with open(os.path.join(folder, "record.json"), "w") as out:
        json.dump(record, out)


main(*sys.argv[1:])
