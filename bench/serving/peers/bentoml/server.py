"""BentoML in production mode with one worker and adaptive batching, as its documentation on batching shows.

MODEL is the path of model.onnx, PORT the port.
"""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
program = os.path.join(os.path.dirname(sys.executable), "bentoml")
os.execv(program, ["bentoml", "serve", "service:Mlp", "--working-dir", here, "--host", "127.0.0.1", "--port", os.environ["PORT"]])
