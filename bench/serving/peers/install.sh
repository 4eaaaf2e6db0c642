#!/bin/sh
# Installs the peers of the benchmark, each into a virtual environment of its own, below the folder given (by default .modelmile/peers
# of the checkout). A peer that is not there is left out of the figures, and the report says so.
set -u
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../../.modelmile/peers}
for peer in fastapi litserve mlserver bentoml pytriton; do
  [ -x "$folder/$peer/bin/python" ] || python3 -m venv "$folder/$peer"
  "$folder/$peer/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/$peer/requirements.txt" ||
    echo "$peer could not be installed" >&2
done
