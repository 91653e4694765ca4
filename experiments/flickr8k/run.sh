#!/usr/bin/env bash
# Trains configs/flickr8k.yaml and its train-blind baseline, scores both on all 1,000 validation images, and keeps
# scores and curves here. An interrupted training goes on where it stopped when this is called again.
#   experiments/flickr8k/run.sh DATA [NAME …]        names: flickr8k flickr8k-blind (default: both)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA [NAME ...]}
shift
cd "$here/../.."
[ $# -gt 0 ] || set -- flickr8k flickr8k-blind
for name in "$@"; do
  options=(--config configs/flickr8k.yaml --data.root "$data/flickr8k" --name "$name" --model.compile true)  # which needs g++
  case $name in *-blind) options+=(--data.blind true) ;; esac
  last=runs/$name/checkpoints/last.ckpt
  resume=()
  [ ! -e "$last" ] || resume=(--ckpt_path "$last")
  start=$(date +%s)
  frozenvl fit "${options[@]}" "${resume[@]}"
  echo "$name: $(($(date +%s) - start)) seconds" | tee -a "runs/$name/seconds.txt"
  frozenvl validate "${options[@]}" --ckpt_path "$last" --trainer.limit_val_batches 1.0
  mkdir -p "$here/$name"
  cp "runs/$name/"{history.jsonl,curve.png,cost.json,seconds.txt} "runs/$name/evaluation/captions/score.json" "$here/$name/"
done
frozenvl report runs/flickr8k*
