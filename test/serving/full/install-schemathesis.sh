#!/bin/sh
# Installs schemathesis into a virtual environment, for schemathesis.full.ts, which counts as skipped without it:
# test/serving/full/install-schemathesis.sh [FOLDER], by default .modelmile/schemathesis of the checkout.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../../.modelmile/schemathesis}
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check schemathesis==4.32.5
echo "$folder"
