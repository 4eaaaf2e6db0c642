"""KServe's clients over REST and gRPC.

Usage: kserve_clients.py REST_URL GRPC_TARGET. Prints one JSON object: what each call gave.
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

rest, target = sys.argv[1:3]
rows = np.array([[0.1, 0.2, 0.3, 0.4], [1, -2, 3.5, -4.25]], dtype=np.float32)
results = {}


def bits(array):
    return np.ascontiguousarray(array, dtype=np.float32).tobytes().hex()


def request(binary):
    tensor = InferInput("x", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return InferRequest(model_name="classifier", infer_inputs=[tensor], request_id="seven")


async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    for name, binary in [("rest binary", True), ("rest json", False)]:
        answer = await client.infer(rest, request(binary), model_name="classifier")
        results[name] = bits(answer.outputs[0].as_numpy())
        results[f"{name} id"] = answer.id
    results["rest health"] = [
        await client.is_server_live(rest),
        await client.is_server_ready(rest),
        await client.is_model_ready(rest, "classifier"),
    ]
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    answer = await v1.infer(rest, {"instances": rows.tolist()}, model_name="classifier")
    results["rest v1"] = bits(answer["predictions"])

    client = InferenceGRPCClient(target)
    for name, binary in [("grpc raw", True), ("grpc typed", False)]:
        answer = await client.infer(request(binary))
        results[name] = bits(answer.outputs[0].as_numpy())
    results["grpc health"] = [
        await client.is_server_live(),
        await client.is_server_ready(),
        await client.is_model_ready("classifier"),
    ]
    await client.close()


asyncio.run(main())
print(json.dumps(results))
