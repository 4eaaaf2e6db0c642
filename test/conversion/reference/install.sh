#!/bin/sh
# Installs the frameworks that conversion is compared with (TensorFlow, both Keras, tf2onnx, the TFLite interpreter; 2.5 GB) into a virtual
# environment, for the comparisons that count as skipped without it: test/conversion/reference/install.sh [FOLDER], by default
# .modelmile/reference of the checkout. MODELMILE_PYTHON names a Python elsewhere that has them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../../.modelmile/reference}
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
echo "$folder"
