#!/usr/bin/env bash
# Trains each configuration of configs/ on the same number of pairs of Flickr8k (budget.yaml), scores it on the first 300 validation images,
# and copies the scores here. Finished runs are skipped; an interrupted training continues.
#   experiments/family/run.sh DATA [NAME …]        NAME, or NAME-seedN
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA [NAME ...]}
shift
cd "$here/../.."
[ $# -gt 0 ] || set -- flickr8k lora prompt_tuning prefix_tuning clipcap_mlp clipcap_transformer limber magma \
  frozen_small frozen_blind frozen_finetuned frozen_scratch
for run in "$@"; do
  [ ! -e "$here/$run/score.json" ] || continue
  name=${run%-seed*}
  options=(--config "configs/$name.yaml" --config "$here/budget.yaml")
  [ ! -e "$here/$name.yaml" ] || options+=(--config "$here/$name.yaml")
  options+=(--data.root "$data/flickr8k" --name "family/$run" --seed_everything "$([ "$run" = "$name" ] && echo 0 || echo "${run##*-seed}")")
  last=runs/family/$run/checkpoints/last.ckpt
  resume=()
  [ ! -e "$last" ] || resume=(--ckpt_path "$last")
  frozenvl fit "${options[@]}" "${resume[@]}"
  frozenvl validate "${options[@]}" --ckpt_path "$last" --trainer.limit_val_batches 3
  mkdir -p "$here/$run"
  cp "runs/family/$run/"{history.jsonl,cost.json} "runs/family/$run/evaluation/captions/score.json" "$here/$run/"
  cp "runs/family/$run/evaluation/perplexity/score.json" "$here/$run/perplexity.json"
done
frozenvl report runs/family/*
