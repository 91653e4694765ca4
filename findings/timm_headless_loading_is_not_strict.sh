#!/usr/bin/env bash
# timm 1.0.31, Python 3.11: `create_model(…, pretrained=True, num_classes=0)`, the usual way to get features, loads weights non-strictly. A weight
# that the file lacks stays random, and only a log line of level INFO says so. With the classifier, the same file is refused.
#
# Effect: a damaged or partial file gives an encoder with a random layer: each process gets other features.
#
# Run:      bash findings/timm_headless_loading_is_not_strict.sh      (installs torch and timm into a temporary venv)
# Prints:
#   with its classifier: refused (RuntimeError)
#   without (num_classes=0): loaded; two loads give the same stem: False
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 timm==1.0.31 2>/dev/null
cat > "$folder/show.py" <<'PY'
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf

folder = Path(sys.argv[1], "model")
save_for_hf(timm.create_model("test_efficientnet", num_classes=10), str(folder), safe_serialization=True)
file = folder / "model.safetensors"
save_file({k: v for k, v in load_file(file).items() if k != "conv_stem.weight"}, file)


def load(**options):
    torch.seed()
    return timm.create_model(f"local-dir:{folder}", pretrained=True, **options)


try:
    load()
    print("with its classifier: loaded")
except RuntimeError as error:
    print(f"with its classifier: refused ({type(error).__name__})")
one, two = load(num_classes=0), load(num_classes=0)
same = torch.equal(one.conv_stem.weight, two.conv_stem.weight)
print(f"without (num_classes=0): loaded; two loads give the same stem: {same}")
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
with its classifier: refused (RuntimeError)
without (num_classes=0): loaded; two loads give the same stem: False
SEEN
) && echo "as described"
