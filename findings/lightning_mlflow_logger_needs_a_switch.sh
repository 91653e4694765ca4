#!/usr/bin/env bash
# lightning 2.6.6 with mlflow-skinny 3.17.2, Python 3.11: `MLFlowLogger()` with its defaults cannot be made.
#
# By default Lightning's logger writes below ./mlruns, as files. This mlflow refuses a folder of files unless the environment variable
# MLFLOW_ALLOW_FILE_STORE is "true".
#
# Effect: a fit whose configuration names the logger without arguments does not start.
# What helps: MLFLOW_ALLOW_FILE_STORE=true, or a `tracking_uri` that is a database or a server.
#
# Run:      bash findings/lightning_mlflow_logger_needs_a_switch.sh      (installs torch, lightning and mlflow-skinny into a temporary venv)
# Prints:
#   MLFlowLogger(): MlflowException, names MLFLOW_ALLOW_FILE_STORE: True
#   with the variable: loss 1.0 is logged
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 lightning==2.6.6 mlflow-skinny==3.17.2 2>/dev/null
cat > "$folder/show.py" <<'PY'
import logging
import os
import sys

from lightning.pytorch.loggers import MLFlowLogger

logging.disable(logging.WARNING)
os.environ.pop("MLFLOW_ALLOW_FILE_STORE", None)
try:
    MLFlowLogger()
    failed = "", False
except Exception as error:
    failed = type(error).__name__, "MLFLOW_ALLOW_FILE_STORE" in str(error)
print(f"MLFlowLogger(): {failed[0]}, names MLFLOW_ALLOW_FILE_STORE: {failed[1]}")
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
logger = MLFlowLogger()
logger.log_metrics({"loss": 1.0}, step=0)
value = logger.experiment.get_run(logger.run_id).data.metrics["loss"]
print(f"with the variable: loss {value} is logged")
same = failed == ("MlflowException", True) and value == 1.0
print("as described" if same else "it has changed")
sys.exit(not same)
PY
cd "$folder"
"$folder/venv/bin/python" show.py
