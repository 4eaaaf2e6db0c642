#!/bin/sh
# Installs what conversion is measured against into a virtual environment below the folder given (by default .modelmile/peers of the checkout).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../../.modelmile/peers}
[ -x "$folder/conversion/bin/python" ] || python3 -m venv "$folder/conversion"
"$folder/conversion/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
