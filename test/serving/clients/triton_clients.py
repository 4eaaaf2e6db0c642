"""Triton's clients over HTTP and gRPC.

Usage: triton_clients.py REST_URL GRPC_TARGET. Prints one JSON object: what each call gave.
"""

import json
import queue
import sys

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from tritonclient.utils import InferenceServerException

rest, target = sys.argv[1].removeprefix("http://"), sys.argv[2]
rows = np.array([[0.1, 0.2, 0.3, 0.4], [1, -2, 3.5, -4.25]], dtype=np.float32)
results = {}


def bits(array):
    return np.ascontiguousarray(array, dtype=np.float32).tobytes().hex()


for kind, library, address in [("http", httpclient, rest), ("grpc", grpcclient, target)]:
    client = library.InferenceServerClient(address)
    results[f"{kind} health"] = [
        client.is_server_live(),
        client.is_server_ready(),
        client.is_model_ready("classifier"),
        client.is_model_ready("classifier", "1"),
    ]

    def infer(model="classifier", version="", binary=None, outputs=None, tensor=rows, name="x", datatype="FP32", **more):
        tensor_input = library.InferInput(name, tensor.shape, datatype)
        tensor_input.set_data_from_numpy(tensor, **({} if binary is None else {"binary_data": binary}))
        return client.infer(model, [tensor_input], version, outputs=outputs, **more)

    answer = infer(request_id="seven")
    results[f"{kind} infer"] = bits(answer.as_numpy("scores"))
    head = answer.get_response()
    results[f"{kind} id"] = head["id"] if kind == "http" else head.id
    results[f"{kind} version"] = bits(infer(version="1").as_numpy("scores"))
    if kind == "http":
        results["http json in"] = bits(infer(binary=False).as_numpy("scores"))
        wanted = [library.InferRequestedOutput("scores", binary_data=False)]
        results["http json out"] = bits(infer(outputs=wanted).as_numpy("scores"))
        results["http json"] = bits(infer(binary=False, outputs=wanted).as_numpy("scores"))
        results["http gzip"] = bits(infer(request_compression_algorithm="gzip").as_numpy("scores"))
    else:
        answers = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        tensor_input = library.InferInput("x", rows.shape, "FP32")
        tensor_input.set_data_from_numpy(rows)
        client.async_stream_infer("classifier", [tensor_input], request_id="1")
        client.async_stream_infer("nope", [tensor_input], request_id="2")
        client.async_stream_infer("classifier", [tensor_input], request_id="3")
        got = [answers.get(timeout=30) for _ in range(3)]
        client.stop_stream()
        results["grpc stream"] = [bits(r.as_numpy("scores")) if e is None else "error" for r, e in got]
    wanted = [library.InferRequestedOutput("scores", class_count=2)]
    results[f"{kind} classes"] = [
        [text.decode() for text in row] for row in infer(outputs=wanted).as_numpy("scores").tolist()
    ]

    metadata = client.get_model_metadata("classifier") if kind == "http" else client.get_model_metadata("classifier", as_json=True)
    results[f"{kind} metadata"] = [
        metadata["name"],
        metadata["versions"],
        metadata["inputs"][0]["datatype"],
        [int(size) for size in metadata["inputs"][0]["shape"]],
    ]
    server = client.get_server_metadata() if kind == "http" else client.get_server_metadata(as_json=True)
    results[f"{kind} extensions"] = server["extensions"]

    texts = [library.InferInput(n, s, t) for n, s, t in [("a", [2, 2], "FP32"), ("b", [2, 2], "INT64"), ("t", [2], "BYTES")]]
    texts[0].set_data_from_numpy(np.array([[0.5, 1], [2, 3]], dtype=np.float32))
    texts[1].set_data_from_numpy(np.array([[1, 2], [3, 4]], dtype=np.int64))
    texts[2].set_data_from_numpy(np.array(["é".encode(), b"b"], dtype=np.object_))
    answer = client.infer("several", texts)
    results[f"{kind} several"] = [
        answer.as_numpy("sum").tolist(),
        [text.decode() for text in answer.as_numpy("text_bytes").tolist()],
    ]

    def refused(call):
        try:
            call()
            return "OK"
        except InferenceServerException as error:
            return error.status()

    results[f"{kind} codes"] = {
        "unknown model": refused(lambda: infer(model="nope")),
        "wrong shape": refused(lambda: infer(tensor=rows[:, :3])),
        "wrong type": refused(lambda: infer(tensor=rows.astype(np.int32), datatype="INT32")),
        "unknown input": refused(lambda: infer(name="y")),
    }

    index = client.get_model_repository_index() if kind == "http" else client.get_model_repository_index(as_json=True)["models"]
    results[f"{kind} index"] = sorted([model["name"], model["state"]] for model in index)
    client.unload_model("several")
    results[f"{kind} unloaded"] = client.is_model_ready("several")
    client.load_model("several")
    results[f"{kind} loaded"] = client.is_model_ready("several")
    statistics = (
        client.get_inference_statistics("classifier")
        if kind == "http"
        else client.get_inference_statistics("classifier", as_json=True)
    )
    row = statistics["model_stats"][0]
    results[f"{kind} statistics"] = [row["name"], int(row["inference_count"]), int(row["execution_count"])]
    client.close()
print(json.dumps(results))
