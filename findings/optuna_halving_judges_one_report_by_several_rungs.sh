#!/usr/bin/env bash
# optuna 5.0.0, Python 3.11: `SuccessiveHalvingPruner` judges one report by every rung that lies before it. With fewer reports than rungs it
# prunes far more than three of four trials.
#
# By default the first rung is a hundredth of the longest finished trial, and each further one is four times as late: 2, 8, 32, 128 for trials
# of 200 steps. A training that reports each 50 steps passes three rungs with its first report. To go on, it has to be in the best quarter,
# then in the best quarter of those that passed, then once more, all by the same value.
#
# Effect: a search keeps next to nothing but new best values, at the first validation, and its sampler learns from few finished trials.
# What helps: `min_resource` equal to the first reported step; or the number of the report as its step, and `min_resource=1`.
#
# Run:      bash findings/optuna_halving_judges_one_report_by_several_rungs.sh      (installs optuna into a temporary venv)
# Prints (100 trials that report a random number at step 50; the trial before them finished at step 200):
#   default: 6 of 100 go on after their first report; the last one was judged by 3 rungs
#   min_resource=50: 26 of 100 go on after their first report; the last one was judged by 1 rung
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "optuna==5.0.0" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import random

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
for name, pruner in {
    "default": optuna.pruners.SuccessiveHalvingPruner(),
    "min_resource=50": optuna.pruners.SuccessiveHalvingPruner(min_resource=50),
}.items():
    study = optuna.create_study(direction="maximize", pruner=pruner)
    finished = study.ask()
    for step in (50, 100, 150, 200):
        finished.report(0.5, step)
    study.tell(finished, 0.5)
    draw, kept = random.Random(0), 0
    for number in range(100):
        trial = study.ask()
        # The last one is the best of all, so that it reaches every rung it can.
        trial.report(1.0 if number == 99 else draw.random(), 50)
        kept += not trial.should_prune()
    rungs = sum(key.startswith("completed_rung") for key in study.trials[-1].system_attrs)
    print(
        f"{name}: {kept} of 100 go on after their first report; "
        f"the last one was judged by {rungs} rung{'s' * (rungs != 1)}"
    )
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
default: 6 of 100 go on after their first report; the last one was judged by 3 rungs
min_resource=50: 26 of 100 go on after their first report; the last one was judged by 1 rung
SEEN
) && echo "as described"
