#!/usr/bin/env bash
# safetensors 0.8.0, Python 3.11: `save_file` makes a file that only its owner can read, whatever the umask.
#
# With umask 022, Python and torch make files of mode 644, and so did safetensors 0.7. Version 0.8 makes them 600. A model that is saved in a
# shared folder, or copied with its modes into an image, cannot be loaded by anyone else; config.json beside it can.
#
# What helps: `Path(file).write_bytes(safetensors.torch.save(tensors))`, or `os.chmod` after saving.
#
# Run:      bash findings/safetensors_files_only_their_owner_can_read.sh      (installs both versions of safetensors into temporary folders)
# Prints:
#   safetensors 0.7.0: save_file 644, write_bytes 644
#   safetensors 0.8.0: save_file 600, write_bytes 644
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "numpy==2.3.5" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save, save_file

os.umask(0o022)
with tempfile.TemporaryDirectory() as name:
    made, written = Path(name) / "made", Path(name) / "written"
    save_file({"a": np.zeros(2)}, made)
    written.write_bytes(save({"a": np.zeros(2)}))
    modes = [f"{path.stat().st_mode & 0o777:o}" for path in (made, written)]
print(f"safetensors {safetensors.__version__}: save_file {modes[0]}, write_bytes {modes[1]}")
PY
for version in 0.7.0 0.8.0; do
    "$folder/venv/bin/pip" install -q --disable-pip-version-check "safetensors==$version" 2>/dev/null
    "$folder/venv/bin/python" "$folder/show.py"
done | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
safetensors 0.7.0: save_file 644, write_bytes 644
safetensors 0.8.0: save_file 600, write_bytes 644
SEEN
) && echo "as described"
