"""PyTriton with dynamic batching and no queue delay, as its documentation on batching shows.

MODEL is the path of model.onnx, PORT the port.
"""

import os
import sys
import sysconfig

# Triton's Python backend loads libpython by its name: it must be the one that runs here, not another of the machine.
library_folder = sysconfig.get_config_var("LIBDIR")
if os.environ.get("LD_LIBRARY_PATH") != library_folder:
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "LD_LIBRARY_PATH": library_folder})

import numpy as np
import onnxruntime as ort
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
port = int(os.environ["PORT"])


@batch
def infer(x):
    return session.run(None, {"x": x})


config = TritonConfig(http_address="127.0.0.1", http_port=port, grpc_port=port + 1, metrics_port=port + 2, http_thread_count=1)
with Triton(config=config) as triton:
    triton.bind(
        model_name="mlp",
        infer_func=infer,
        inputs=[Tensor(name="x", dtype=np.float32, shape=(784,))],
        outputs=[Tensor(name="y", dtype=np.float32, shape=(10,))],
        config=ModelConfig(max_batch_size=32, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        strict=False,
    )
    triton.serve()
