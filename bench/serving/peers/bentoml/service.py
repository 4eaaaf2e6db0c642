"""A BentoML service with its adaptive batching."""

import os

import bentoml
import numpy as np


@bentoml.service(workers=1, traffic={"timeout": 60, "concurrency": 64}, logging={"access": {"enabled": False}})
class Mlp:
    def __init__(self):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1000)
    def predict(self, instances: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"x": np.asarray(instances, dtype=np.float32)})[0]
