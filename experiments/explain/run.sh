#!/usr/bin/env bash
# Trains the demonstration and a short run on Flickr8k, and checks explanations of both. An interrupted evaluation continues when the
# script is called again.
#   experiments/explain/run.sh DATA
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA}
cd "$here/../.."
fit() { frozenvl fit --resume true "$@"; }
fit --config configs/demo.yaml
frozenvl evaluate runs/demo --config configs/evaluation/explain_scenes.yaml --batch_size 5
fit --config configs/flickr8k.yaml --config experiments/explain/flickr8k.yaml --data.root "$data/flickr8k"
frozenvl evaluate runs/explain-flickr8k --config configs/evaluation/explain.yaml --root "$data/flickr8k" --batch_size 5
