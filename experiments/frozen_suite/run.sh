#!/usr/bin/env bash
# Trains on captions of Flickr8k, and with questions mixed in, each with its train-blind baseline. Runs the few-shot suite on all of them and
# writes the report. An interrupted run continues when the script is called again.
#   experiments/frozen_suite/run.sh DATA [NAME …]
#   names: flickr8k flickr8k-blind flickr8k-vqa flickr8k-vqa-blind (default: all)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA [NAME ...]}
shift
cd "$here/../.."
[ $# -gt 0 ] || set -- flickr8k flickr8k-blind flickr8k-vqa flickr8k-vqa-blind
for name in "$@"; do
  case $name in
    flickr8k-vqa*) options=(--config configs/flickr8k_vqa.yaml --data.root "$data") ;;
    *) options=(--config configs/flickr8k.yaml --data.root "$data/flickr8k") ;;
  esac
  # The recipe of these figures; the configurations have 16 vectors or a norm and a start token today.
  options+=(--model.k 4 --model.bos false --model.mapper.init_args.norm false)
  case $name in *-blind) options+=(--data.blind true) ;; esac
  last=runs/$name/checkpoints/last.ckpt
  resume=()
  [ ! -e "$last" ] || resume=(--ckpt_path "$last")
  frozenvl fit "${options[@]}" --name "$name" "${resume[@]}"
  views=(seeing)
  [ "$name" != flickr8k ] || views+=(test-blind text-only)
  # A fair sample of 256 queries for each score, if there are more (DAQUAR has 4,300, Flickr8k 1,000).
  frozenvl evaluate "runs/$name" --config configs/evaluation/small.yaml --config configs/evaluation/scenes.yaml \
    --root "$data" --views "${views[@]}" --limit 4
done
frozenvl report "${@/#/runs/}" --out runs/frozen_suite
cp runs/frozen_suite/report.md "$here/"
python experiments/main_scores.py runs/frozen_suite/scores.csv > "$here/scores.csv"
