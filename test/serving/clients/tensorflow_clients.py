"""TensorFlow Serving's own client over gRPC, and its REST API as its documentation shows it.

Usage: tensorflow_clients.py REST_URL GRPC_TARGET. Prints one JSON object: what each call gave.
"""

import json
import sys
import urllib.request

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

rest, target = sys.argv[1:3]
rows = np.array([[0.1, 0.2, 0.3, 0.4], [1, -2, 3.5, -4.25]], dtype=np.float32)
channel = grpc.insecure_channel(target)
prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
models = model_service_pb2_grpc.ModelServiceStub(channel)
results = {}


def bits(array):
    return np.ascontiguousarray(array, dtype=np.float32).tobytes().hex()


def post(path, body):
    request = urllib.request.Request(rest + path, json.dumps(body).encode(), {"content-type": "application/json"})
    return json.loads(urllib.request.urlopen(request, timeout=30).read())


request = predict_pb2.PredictRequest()
request.model_spec.name = "classifier"
request.model_spec.signature_name = "serving_default"
request.inputs["x"].CopyFrom(tf.make_tensor_proto(rows))
answer, call = prediction.Predict.with_call(request, timeout=30)
results["predict content"] = bits(tf.make_ndarray(answer.outputs["scores"]))
results["float_val"] = bits(np.array(answer.outputs["scores"].float_val, dtype=np.float32))
results["version"] = answer.model_spec.version.value
results["prediction id"] = dict(call.initial_metadata())["x-modelmile-prediction-id"]

# A TensorProto with the values one by one.
proto = request.inputs["x"]
proto.tensor_content = b""
proto.float_val.extend(rows.flatten().tolist())
results["predict values"] = bits(tf.make_ndarray(prediction.Predict(request, timeout=30).outputs["scores"]))
request.output_filter.append("scores")
request.model_spec.version_label = "stable"
results["predict label"] = bits(tf.make_ndarray(prediction.Predict(request, timeout=30).outputs["scores"]))

results["rest row"] = bits(post("/v1/models/classifier:predict", {"instances": rows.tolist()})["predictions"])
results["rest column"] = bits(post("/v1/models/classifier/versions/1:predict", {"inputs": rows.tolist()})["outputs"])
results["rest label"] = bits(post("/v1/models/classifier/labels/stable:predict", {"instances": rows.tolist()})["predictions"])


def example(**features):
    feature = {k: tf.train.Feature(float_list=tf.train.FloatList(value=v)) for k, v in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature))


request = classification_pb2.ClassificationRequest()
request.model_spec.name = "classifier"
request.input.example_list.examples.extend([example(x=row.tolist()) for row in rows])
answer = prediction.Classify(request, timeout=30)
classes = [[(c.label, c.score) for c in row.classes] for row in answer.result.classifications]
results["labels"] = [label for label, _ in classes[0]]
results["classify"] = bits([[score for _, score in row] for row in classes])
answer = post("/v1/models/classifier:classify", {"examples": [{"x": row.tolist()} for row in rows]})
results["rest classify"] = bits([[score for _, score in row] for row in answer["results"]])

request = regression_pb2.RegressionRequest()
request.model_spec.name = "sum"
request.input.example_list_with_context.context.CopyFrom(example(x=[1, 2]))
request.input.example_list_with_context.examples.extend([example(), example(x=[3, 4])])
results["regress"] = [r.value for r in prediction.Regress(request, timeout=30).result.regressions]
answer = post("/v1/models/sum:regress", {"context": {"x": [1, 2]}, "examples": [{}, {"x": [3, 4]}]})
results["rest regress"] = answer["results"]

request = inference_pb2.MultiInferenceRequest()
for method in ["classify", "regress"]:
    task = request.tasks.add()
    task.model_spec.name = "sum"
    task.method_name = f"tensorflow/serving/{method}"
request.input.example_list.examples.extend([example(x=[5, 6])])
answer = prediction.MultiInference(request, timeout=30)
results["multi"] = [
    answer.results[0].classification_result.classifications[0].classes[0].score,
    answer.results[1].regression_result.regressions[0].value,
]

request = get_model_metadata_pb2.GetModelMetadataRequest()
request.model_spec.name = "classifier"
request.metadata_field.append("signature_def")
answer = prediction.GetModelMetadata(request, timeout=30)
signatures = get_model_metadata_pb2.SignatureDefMap()
assert answer.metadata["signature_def"].Unpack(signatures)
signature = signatures.signature_def["serving_default"]
results["metadata"] = {
    "method": signature.method_name,
    "dtype": signature.inputs["x"].dtype,
    "shape": [dim.size for dim in signature.inputs["x"].tensor_shape.dim],
    "outputs": list(signature.outputs),
}

request = get_model_status_pb2.GetModelStatusRequest()
request.model_spec.name = "classifier"
status = models.GetModelStatus(request, timeout=30).model_version_status[0]
results["status"] = [status.version, status.state, status.status.error_code]


def code(call):
    try:
        call()
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


def predict(model="classifier", signature="", version=None, tensor=rows):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(tensor))
    return prediction.Predict(request, timeout=30)


results["codes"] = {
    "fine": code(predict),
    "unknown model": code(lambda: predict(model="nope")),
    "no model": code(lambda: predict(model="")),
    "unknown version": code(lambda: predict(version=99)),
    "unknown signature": code(lambda: predict(signature="other")),
    "wrong shape": code(lambda: predict(tensor=rows[:, :3])),
    "wrong type": code(lambda: predict(tensor=rows.astype(np.int32))),
    "reload of nothing": code(lambda: models.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), timeout=30)),
}


def reload(**configs):
    request = model_management_pb2.ReloadConfigRequest()
    for name, fill in configs.items():
        config = request.config.model_config_list.config.add(name=name, model_platform="tensorflow")
        fill(config)
    return models.HandleReloadConfigRequest(request, timeout=60)


def pinned(config):
    config.base_path = f"/models/{config.name}"
    config.model_version_policy.specific.versions.extend([1, 2])
    config.version_labels["old"] = 1


def elsewhere(config):
    config.base_path = "s3://other/model"


def status_of(model):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    return sorted(row.version for row in models.GetModelStatus(request, timeout=30).model_version_status)


plain = lambda config: None
results["reload elsewhere"] = code(lambda: reload(sum=elsewhere))
answer = reload(sum=pinned)
results["reload"] = [answer.status.error_code, status_of("sum"), code(predict)]
reload(classifier=lambda config: config.version_labels.update({"stable": 1}), several=plain, sum=plain)
results["reload back"] = [status_of("sum"), code(predict)]
print(json.dumps(results))
