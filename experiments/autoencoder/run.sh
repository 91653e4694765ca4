#!/usr/bin/env bash
# Trains the autoencoder, the supervised encoder of equal size, and nine captioners. An interrupted run continues when the script is called
# again.
#   experiments/autoencoder/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
one="{split: train, size: 20000, resolution: 64, max_groups: 1, max_count: 1, sizes: [large], per_image: 1, wordings: 1}"
frozenvl fit --config configs/autoencoder.yaml --resume true --data.train.captions.source.init_args "$one"
# Supervised by captions: the encoder is trained together with a captioner, and its weights are kept.
frozenvl fit --config experiments/autoencoder/captions.yaml --name supervised --resume true --model.vision.init_args.trainable true
frozenvl sweep experiments/autoencoder/sweep.yaml
