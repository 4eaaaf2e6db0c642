"""python make_models.py FOLDER: the models of the benchmark as Keras saves them, with rows to calibrate and to judge by.

Random weights; batch normalization keeps the statistics of what really flows through it, as after training: without them activations
grow or vanish with depth, and no quantizer could be told from another."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np

SEED = 20261124


def digits():
    """The source's example."""
    return keras.Sequential(
        [
            keras.layers.Input((784,), name="x"),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def wide():
    return keras.Sequential(
        [
            keras.layers.Input((784,), name="x"),
            keras.layers.Dense(2048, activation="relu"),
            keras.layers.Dense(2048, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


def small_cnn():
    layers = [keras.layers.Input((96, 96, 3), name="x")]
    for channels in (32, 64, 128, 128):
        layers += [
            keras.layers.Conv2D(channels, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
        ]
    return keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)])


def application(build):
    return lambda: build(weights=None, classifier_activation=None)


MODELS = {
    "mlp": digits,
    "wide-mlp": wide,
    "small-cnn": small_cnn,
    "mobilenet-v2": application(keras.applications.MobileNetV2),
    "resnet50": application(keras.applications.ResNet50),
}


def rows(rng, shape, count):
    """Smooth pictures or vectors in [-1, 1]: neighbours are alike, as in what real models are given."""
    if len(shape) == 1:
        return rng.uniform(0, 1, (count, *shape)).astype(np.float32)
    coarse = rng.normal(0, 0.5, (count, shape[0] // 8, shape[1] // 8, shape[2]))
    fine = coarse.repeat(8, axis=1).repeat(8, axis=2) + rng.normal(0, 0.1, (count, *shape))
    return np.clip(fine, -1, 1).astype(np.float32)


def settle(model, rng):
    """Scales and offsets as after training, and the statistics of a batch in every batch normalization."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.gamma.assign(rng.uniform(0.7, 1.3, norm.gamma.shape))
        norm.beta.assign(rng.normal(0, 0.2, norm.beta.shape))
        norm.momentum = 0.0
    if norms:
        model(rows(rng, model.input_shape[1:], 8), training=True)
    for norm in norms:
        norm.momentum = 0.99


folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
for name, build in MODELS.items():
    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    model = build()
    settle(model, rng)
    shape = model.input_shape[1:]
    inputs = {split: rows(rng, shape, 16) for split in ("calibration", "judged")}
    model.save(os.path.join(folder, f"{name}.h5"), include_optimizer=False)
    for split, data in inputs.items():
        np.savez(os.path.join(folder, f"{name}-{split}.npz"), x=data)
    print(name, model.count_params(), flush=True)
