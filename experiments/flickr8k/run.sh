#!/usr/bin/env bash
# Trains a configuration of Flickr8k, or its train-blind baseline if the name ends in -blind. Scores it on all 1,000 validation images, greedy
# and with five beams, and copies scores and curves here. An interrupted training continues.
#   experiments/flickr8k/run.sh DATA [NAME …]        names: flickr8k flickr8k-blind (default: both), flickr8k_lora
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA [NAME ...]}
shift
cd "$here/../.."
[ $# -gt 0 ] || set -- flickr8k flickr8k-blind
for name in "$@"; do
  options=(--config "configs/${name%-blind}.yaml" --data.root "$data/flickr8k" --name "$name" --model.compile true)
  case $name in *-blind) options+=(--data.blind true) ;; esac
  last=runs/$name/checkpoints/last.ckpt
  resume=()
  [ ! -e "$last" ] || resume=(--ckpt_path "$last")
  start=$(date +%s)
  frozenvl fit "${options[@]}" "${resume[@]}"
  echo "$name: $(($(date +%s) - start)) seconds" | tee -a "runs/$name/seconds.txt"
  frozenvl validate "${options[@]}" --ckpt_path "$last" --trainer.limit_val_batches 1.0
  frozenvl evaluate "runs/$name" --config "$here/decoding.yaml" --root "$data/flickr8k" --only beams_5
  mkdir -p "$here/$name"
  cp "runs/$name/"{history.jsonl,curve.png,cost.json,seconds.txt} "runs/$name/evaluation/captions/score.json" "$here/$name/"
  cp "runs/$name/evaluation/beams_5/score.json" "$here/$name/beams_5.json"
  cp "runs/$name/evaluation/perplexity/score.json" "$here/$name/perplexity.json"
done
frozenvl report runs/flickr8k*
