#!/bin/sh
# Installs the official Python clients of both protocols into a virtual environment, for the conformance tests, which count as skipped
# without it: test/serving/clients/install.sh [FOLDER], by default .modelmile/clients of the checkout.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../../.modelmile/clients}
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
echo "$folder"
