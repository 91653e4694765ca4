#!/usr/bin/env bash
# Trains on episodes of rendered scenes and of photographs, and evaluates new names and k-shot questions, seeing and with black images at
# test. An interrupted run continues when the script is called again.
#   experiments/episodes/run.sh DATA
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA}
cd "$here/../.."
small=(--data.batch_size 16 --trainer.max_steps 120 --trainer.val_check_interval 120 --model.warmup_steps 20 --model.precision fp32)
scored=(--views seeing test-blind --limit 4)
frozenvl fit --config configs/scenes_episodes.yaml "${small[@]}" --resume true
frozenvl evaluate runs/scenes_episodes --config configs/evaluation/scenes.yaml "${scored[@]}"
frozenvl fit --config configs/flickr8k_episodes.yaml --data.root "$data" "${small[@]}" --resume true
frozenvl evaluate runs/flickr8k-episodes --config "$here/flickr8k.yaml" --root "$data" "${scored[@]}"
for run in scenes_episodes flickr8k-episodes; do
  frozenvl report "runs/$run" --out "runs/$run/report"
  kept=$here/$([ $run = scenes_episodes ] && echo scenes || echo flickr8k)
  mkdir -p "$kept"
  cp "runs/$run/"{history.jsonl,cost.json,curve.png} "runs/$run/report/report.md" "$kept/"
  python experiments/main_scores.py "runs/$run/report/scores.csv" > "$kept/scores.csv"
done
