"""python quantize.py METHOD FLOAT.onnx ROWS.npz OUT: onnxruntime's own quantizer as its documentation advises.

dynamic-int8: int8 weights per channel. static-int8: QDQ, uint8 activations and int8 weights per channel, min-max over the rows, after
the pre-processing that it asks for."""

import os
import sys
import tempfile

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
import onnx


class Rows(CalibrationDataReader):
    def __init__(self, name, rows):
        self.feeds = iter([{name: row[None]} for row in rows])

    def get_next(self):
        return next(self.feeds, None)


method, source, rows, out = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    prepared = os.path.join(folder, "prepared.onnx")
    quant_pre_process(source, prepared)
    if method == "dynamic-int8":
        quantize_dynamic(prepared, out, per_channel=True, weight_type=QuantType.QInt8)
    else:
        name = onnx.load(source, load_external_data=False).graph.input[0].name
        quantize_static(
            prepared,
            out,
            Rows(name, np.load(rows)["x"]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
