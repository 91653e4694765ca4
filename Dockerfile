# frozenvl with its demonstration's models, for a machine without Python 3.11.
#
#   docker build -t frozenvl .                                             CPU
#   docker build -t frozenvl --build-arg BASE=nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04 \
#     .                                                                    CUDA; run it with --gpus all
#   docker run --rm -v "$PWD/runs:/experiments/runs" frozenvl fit --config demo.yaml
#
# EXTRAS: comma-separated extras of pyproject.toml, such as "explain,serve".
ARG BASE=debian:bookworm-slim
FROM ${BASE}

ARG EXTRAS=""
# Index of torch's wheels without CUDA, which are a tenth as large (PyTorch's installation page names it); by default those with CUDA.
ARG TORCH_INDEX=""

ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
RUN apt-get update -q \
 && apt-get install -qy --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/frozenvl
ENV PATH=/opt/frozenvl/bin:$PATH

# torch first: its layer stays while the project changes.
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision
COPY pyproject.toml MANIFEST.in README.md LICENSE /src/
COPY configs /src/configs
COPY frozenvl /src/frozenvl
RUN pip install "/src${EXTRAS:+[$EXTRAS]}" && rm -rf /src

WORKDIR /experiments
# Fetched models and caches; mount a volume here to keep them.
ENV FROZENVL_HOME=/experiments/cache
RUN frozenvl fetch && frozenvl configs --copy . demo
ENTRYPOINT ["frozenvl"]
CMD ["--help"]
