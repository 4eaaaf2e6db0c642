# The serving image: Node, the server and the shared libraries that they need; no shell, no package manager.
#
#   docker build --target cpu -t modelmile .
#   docker run --read-only --cap-drop ALL --tmpfs /tmp -v modelmile-state:/var/lib/modelmile -v "$PWD/models:/models:ro" \
#     -e MODELMILE_AUTH=none -p 127.0.0.1:8501:8501 modelmile
#
# Every step runs on the machine that builds and writes for the machine that is meant (--platform linux/amd64 or linux/arm64), so
# nothing is emulated. Steps are in exec form: an image with Node, npm and no shell can stand in for NODE.

# The newest LTS release of Node.
ARG NODE=node:26.10.0-bookworm-slim
# CUDA 12 with cuDNN 9, as onnxruntime-node 1.30 is built against (infra/environment/compatibility.ts).
ARG CUDA=nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04

FROM --platform=$BUILDPLATFORM ${NODE} AS code
COPY toolchain/image /toolchain/image
COPY package.json package-lock.json /checkout/
COPY conversion/manifest /checkout/conversion/manifest
COPY serving /checkout/serving
RUN ["node", "--disable-warning=ExperimentalWarning", "/toolchain/image/code.mjs", "/checkout", "/out"]

# Made again only where the packages change, not with every line of code.
FROM --platform=$BUILDPLATFORM ${NODE} AS packages
ARG TARGETARCH
COPY toolchain/image/packages.mjs /toolchain/image/
COPY .npmrc /out/
COPY --from=code /out/packages /out
RUN ["node", "/toolchain/image/packages.mjs", "/out"]

FROM ${NODE} AS target

FROM --platform=$BUILDPLATFORM ${NODE} AS runtime
COPY toolchain/image /toolchain/image
COPY --from=packages /out/node_modules /app/node_modules
RUN --mount=type=bind,from=target,target=/target ["node", "/toolchain/image/runtime.mjs", "/target", "/out", "/app"]

FROM scratch AS cpu
COPY --from=runtime /out /
COPY --from=packages /out/node_modules /app/node_modules
COPY --from=code /out/app /app
COPY toolchain/image/container.json /etc/modelmile/settings/settings.json
ENV NODE_ENV=production PATH=/usr/local/bin ORT_DISABLE_TELEMETRY=1
USER 65532:65532
WORKDIR /app
EXPOSE 8501 8500 9090
ENTRYPOINT ["node", "serving/main.js"]
CMD ["--settings", "/etc/modelmile/settings/settings.json"]

FROM --platform=linux/amd64 ${NODE} AS gpu-packages
ARG TARGETARCH
COPY toolchain/image/packages.mjs /toolchain/image/
COPY .npmrc /out/
COPY --from=code /out/packages /out
RUN ["node", "/toolchain/image/packages.mjs", "/out", "cuda12"]

# NVIDIA's image as it is: its container runtime expects its layout.
FROM --platform=linux/amd64 ${CUDA} AS gpu
COPY --from=runtime /out/usr/local/bin/node /usr/local/bin/node
COPY --from=runtime /out/lib/libatomic.so.1 /usr/lib/x86_64-linux-gnu/
COPY --from=gpu-packages /out/node_modules /app/node_modules
COPY --from=code /out/app /app
COPY toolchain/image/container-gpu.json /etc/modelmile/settings/settings.json
ENV NODE_ENV=production ORT_DISABLE_TELEMETRY=1
USER 65532:65532
WORKDIR /app
EXPOSE 8501 8500 9090
ENTRYPOINT ["node", "serving/main.js"]
CMD ["--settings", "/etc/modelmile/settings/settings.json"]
