#!/usr/bin/env bash
# datasets 5.2.0, Python 3.11: `load_dataset("parquet", data_files=…)` of a local file makes a network request; `Dataset.from_parquet` does not.
#
# `load_dataset` resolves its first argument before it looks at the files, and for the packaged builders (parquet, json, csv, text, imagefolder …) it
# reports the use of the builder to the hub. The failure is swallowed, so nobody notices. `HF_HUB_OFFLINE=1` or `HF_UPDATE_DOWNLOAD_COUNTS=0`
# switches it off.
#
# Effect: reading a file on disk on a node without network waits for the name server, at each start and on each rank, and jobs that must not
# contact anything do.
# What helps: `Dataset.from_parquet`, or `HF_UPDATE_DOWNLOAD_COUNTS=0`.
#
# Run:      bash findings/datasets_counts_reads_of_local_files.sh      (installs datasets into a temporary venv)
# Prints:
#   load_dataset: 2 rows, 1 name looked up
#   load_dataset, HF_UPDATE_DOWNLOAD_COUNTS=0: 2 rows, 0 names looked up
#   Dataset.from_parquet: 2 rows, 0 names looked up
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "datasets==5.2.0" "pyarrow==26.0.1" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import os
import socket
import sys
from pathlib import Path

kind, folder = sys.argv[1], Path(sys.argv[2])
os.environ["HF_HOME"] = str(folder / "home")
import pyarrow as pa
import pyarrow.parquet as pq

path = folder / "a.parquet"
pq.write_table(pa.table({"x": [1, 2]}), path)
asked = []


def look_up(host, *arguments, **options):
    """Notes the name and answers as a machine without network does."""
    asked.append(host)
    raise OSError("no network")


socket.getaddrinfo = look_up
import datasets

datasets.disable_progress_bars()
if kind == "load_dataset":
    data = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(folder / "cache"))
else:
    data = datasets.Dataset.from_parquet(str(path), cache_dir=str(folder / "cache"))
print(f"{len(data)} rows, {len(set(asked))} name{'s' * (len(set(asked)) != 1)} looked up")
PY
show() {
    mkdir "$folder/$1"
    echo "$2: $("$folder/venv/bin/python" "$folder/show.py" "$3" "$folder/$1" 2>/dev/null)"
}
{
    show a "load_dataset" load_dataset
    HF_UPDATE_DOWNLOAD_COUNTS=0 show b "load_dataset, HF_UPDATE_DOWNLOAD_COUNTS=0" load_dataset
    show c "Dataset.from_parquet" from_parquet
} | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
load_dataset: 2 rows, 1 name looked up
load_dataset, HF_UPDATE_DOWNLOAD_COUNTS=0: 2 rows, 0 names looked up
Dataset.from_parquet: 2 rows, 0 names looked up
SEEN
) && echo "as described"
