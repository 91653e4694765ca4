#!/usr/bin/env bash
# Trains on DAQUAR's questions one by one and as conversations, evaluates all models on both, and copies scores, costs and losses here. An
# interrupted run continues when the script is called again.
#   experiments/dialogue/run.sh DATA
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh DATA}
cd "$here/../.."
fit() { frozenvl fit --config "experiments/dialogue/$1.yaml" --data.root "$data" --resume true --name "dialogue-$2" "${@:3}"; }
ask() { frozenvl evaluate "runs/dialogue-$1" --config "experiments/dialogue/$2.yaml" --root "$data" --batch_size 50 "${@:3}"; }
fit conversations conversations                             # as many pairs as single
fit single single
fit conversations longer --trainer.max_steps 204            # as long as single: 1.36 times the pairs (benchmarks/dialogue.py)
fit conversations conversations-blind --data.blind true
ask conversations-blind evaluation --only daquar --limit 5  # 250 rounds
ask conversations evaluation --only daquar --limit 5
for run in conversations single longer conversations-blind; do
    ask $run evaluation --only daquar_answers --limit 8     # 400 rounds
done
for run in conversations single; do
    ask $run own_history --limit 8
done
for run in conversations single longer conversations-blind; do
    mkdir -p "$here/$run"
    cp "runs/dialogue-$run/"{history.jsonl,cost.json} "$here/$run/"
    for score in "runs/dialogue-$run/evaluation/"*/score.json; do
        cp "$score" "$here/$run/$(basename "$(dirname "$score")").json"
    done
done
