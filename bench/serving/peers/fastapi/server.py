"""FastAPI with orjson and onnxruntime under uvicorn with uvloop and httptools, as FastAPI's and uvicorn's deployment pages advise.

MODEL is the path of model.onnx, PORT the port.
"""

import os

import numpy as np
import onnxruntime as ort
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


@app.post("/predict")
async def predict(request: Request):
    x = np.asarray(orjson.loads(await request.body())["instances"], dtype=np.float32)
    (y,) = session.run(None, {"x": x})
    return Response(orjson.dumps({"predictions": y}, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


@app.post("/binary")
async def binary(request: Request):
    x = np.frombuffer(await request.body(), dtype=np.float32).reshape(-1, 784)
    (y,) = session.run(None, {"x": x})
    return Response(y.tobytes(), media_type="application/octet-stream")


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
