#!/usr/bin/env bash
# Trains configs/flickr8k_new_words.yaml and asks it for new words and real names, seeing and on black images. An interrupted
# training continues.
#   experiments/new_words/run.sh DATA [OPTION …]        options of `frozenvl fit`
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA [OPTION ...]}
shift
cd "$here/../.."
run=runs/new_words
frozenvl fit --config configs/flickr8k_new_words.yaml --data.root "$data/flickr8k" --name new_words --model.compile true "$@" --resume true
frozenvl evaluate "$run" --config "$here/evaluation.yaml" --root "$data" --views seeing test-blind
frozenvl report "$run" --out "$run/report"
mkdir -p "$here/first"
cp "$run"/{history.jsonl,curve.png,cost.json,report/report.md} "$here/first/"
python experiments/main_scores.py "$run/report/scores.csv" > "$here/first/scores.csv"
