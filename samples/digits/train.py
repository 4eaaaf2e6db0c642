"""Trains the sample's model: the "last mile" article's own example, on data made by make_data.py.

    python train.py                    writes model.h5 and metrics.json
    python train.py --job job.json     retrains as `modelmile retrain` asks: base data plus the users' feedback

job.json (the contract of every trainer, training/README.md): base and feedback are .npz files with x, y and scale; output is the
model file to write; seed and epochs are numbers. Exit code 0 means that the output is there.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from tensorflow import keras

HERE = os.path.dirname(os.path.abspath(__file__))


def load(path):
    with np.load(path) as data:
        scale = np.float32(data["scale"]) if "scale" in data else np.float32(1)
        return data["x"].astype(np.float32) * scale, keras.utils.to_categorical(data["y"], 10)


def build():
    model = keras.Sequential(
        [
            keras.layers.Input(shape=(784,), name="pixels"),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job")
    job = {"base": os.path.join(HERE, "train.npz"), "output": os.path.join(HERE, "model.h5"), "seed": 2018, "epochs": 5}
    path = parser.parse_args().job
    if path:
        with open(path) as file:
            job.update(json.load(file))
    keras.utils.set_random_seed(job["seed"])
    x, y = load(job["base"])
    if job.get("feedback"):
        more_x, more_y = load(job["feedback"])
        x, y = np.concatenate([x, more_x]), np.concatenate([y, more_y])
    model = build()
    model.fit(x, y, batch_size=32, epochs=job["epochs"], verbose=2)
    model.save(job["output"], include_optimizer=False)
    if not path:
        test_x, test_y = load(os.path.join(HERE, "heldout.npz"))
        loss, accuracy = model.evaluate(test_x, test_y, verbose=0)
        metrics = {
            "heldoutAccuracy": round(float(accuracy), 6),
            "heldoutLoss": round(float(loss), 6),
            "heldoutRows": len(test_x),
            "trainRows": len(x),
            "epochs": job["epochs"],
            "keras": keras.__version__,
        }
        with open(os.path.join(HERE, "metrics.json"), "w") as file:
            json.dump(metrics, file, indent=2)
            file.write("\n")
        print(metrics)


if __name__ == "__main__":
    main()
