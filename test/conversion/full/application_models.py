"""Makes one model of keras.applications with random weights and statistics, in both formats: python application_models.py keras2|keras3 <name> <size> <folder>

Writes `record.json` beside the files, as make_layers.py does of its models: the answers are logits, which softmax cannot hide an error of."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures"))

import numpy as np
from make_layers import FRAMEWORKS, floatx, pack, predict
from random_models import randomize


def build(k, name, size):
    return getattr(k.applications, name)(weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None)


def main(framework, name, size, folder):
    k = FRAMEWORKS[framework]
    model = build(k, name, size)
    randomize(model, np.random.default_rng(len(name)))
    inputs = [np.random.default_rng(size).uniform(0, 255, (2, size, size, 3)).astype("float32")]
    single = predict(model, inputs)
    files = []
    for end in ("h5", "keras"):
        file = f"{framework}-{name}.{end}"
        model.save(os.path.join(folder, file), **({"include_optimizer": False} if end == "h5" else {}))
        files.append(file)
    weights = [np.asarray(variable) for variable in model.weights]
    floatx(k, "float64")
    k.backend.clear_session()
    exact = build(k, name, size)
    for to, source in zip(exact.weights, weights, strict=True):
        to.assign(source)
    double = predict(exact, [i.astype("float64") for i in inputs])
    errors = [float(np.max(np.abs(a.astype("float64") - b))) for a, b in zip(single, double)]
    record = {"files": files, "layers": len(model.layers), "parameters": int(model.count_params()), "inputs": pack(inputs), "outputs": pack(double), "kerasErrors": errors}
    with open(os.path.join(folder, "record.json"), "w") as out:
        json.dump(record, out)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
