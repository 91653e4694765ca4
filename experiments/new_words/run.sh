#!/usr/bin/env bash
# Trains configs/flickr8k_new_words.yaml, then trains it further on other episodes, and asks both for new words and real names, seeing and
# on black images. An interrupted training continues.
#   experiments/new_words/run.sh DATA
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA}
cd "$here/../.."
fit() { frozenvl fit --config configs/flickr8k_new_words.yaml --data.root "$data/flickr8k" --model.compile true --resume true "$@"; }
fit --name new_words
fit --name new_words_longer --init_from runs/new_words/checkpoints/last.ckpt --seed_everything 1 --data.seed 1 --trainer.max_steps 160 \
  --trainer.val_check_interval 80
for name in first longer; do
  run=runs/new_words
  [ $name = first ] || run=runs/new_words_longer
  frozenvl evaluate $run --config "$here/evaluation.yaml" --root "$data" --views seeing test-blind
  frozenvl report $run --out $run/report
  mkdir -p "$here/$name"
  cp $run/{history.jsonl,curve.png,cost.json,report/report.md} "$here/$name/"
  python experiments/main_scores.py $run/report/scores.csv > "$here/$name/scores.csv"
done
