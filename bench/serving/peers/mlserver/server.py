"""MLServer with adaptive batching and without its pool of inference processes, which its documentation advises for light models.

MODEL is the path of model.onnx, PORT the port.
"""

import json
import os
import tempfile

folder = tempfile.mkdtemp()
port = int(os.environ["PORT"])
settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "parallel_workers": 0, "debug": False}
model = {
    "name": "mlp",
    "implementation": "runtime.Onnx",
    "max_batch_size": 32,
    "max_batch_time": 0.001,
}
for name, content in [("settings.json", settings), ("model-settings.json", model)]:
    with open(os.path.join(folder, name), "w") as file:
        json.dump(content, file)
os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
os.execv(os.path.join(os.path.dirname(os.sys.executable), "mlserver"), ["mlserver", "start", folder])
