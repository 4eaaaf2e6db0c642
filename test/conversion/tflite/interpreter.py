"""Runs .tflite files with the real interpreter: jobs as JSON on standard input, answers as JSON on standard output.

A job is {"model": path, "isPlain": whether without XNNPACK, "inputs": {name: {"shape", "dtype", "data"}}}; an answer is {"outputs": {name: {"shape", "data"}}} or {"error"}."""

import json
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def run(job):
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if job.get("isPlain") else OpResolverType.AUTO
    interpreter = Interpreter(model_path=job["model"], experimental_op_resolver_type=kernels)
    runner = interpreter.get_signature_runner("serving_default")
    feeds = {n: np.array(t["data"], dtype=t["dtype"]).reshape(t["shape"]) for n, t in job["inputs"].items()}
    outputs = runner(**feeds)
    return {n: {"shape": list(v.shape), "data": [float(x) for x in v.reshape(-1)]} for n, v in outputs.items()}


answers = []
for job in json.load(sys.stdin):
    try:
        answers.append({"outputs": run(job)})
    except Exception as error:  # noqa: BLE001
        answers.append({"error": str(error)})
json.dump(answers, sys.stdout)
