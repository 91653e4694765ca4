#!/usr/bin/env bash
# Trains the codes and the drawing head, evaluates and judges the pictures. An interrupted run continues when the script is called again.
#   experiments/drawing/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
one="{split: train, size: 20000, resolution: 64, max_groups: 1, max_count: 1, sizes: [large], per_image: 1, wordings: 1}"
frozenvl fit --config configs/autoencoder.yaml --name codes --resume true \
  --model.vision.init_args.levels "[8, 5, 5, 5]" --data.train.captions.source.init_args "$one"
frozenvl fit --config configs/draw.yaml --resume true
frozenvl evaluate runs/draw --config configs/evaluation/draw.yaml
python experiments/drawing/judge.py runs/draw/evaluation/drawing
