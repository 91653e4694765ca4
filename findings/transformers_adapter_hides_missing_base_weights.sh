#!/usr/bin/env bash
# transformers 5.24.0 with peft 0.21.2, Python 3.11: where a folder holds a PEFT adapter beside the model, `from_pretrained(…,
# output_loading_info=True)` returns the adapter's loading information alone. A base weight that the file lacks is random, and
# `missing_keys` is empty.
#
# Without the adapter's files, the same folder reports the missing weight.
#
# Effect: a check of `missing_keys` passes for a model with random weights, if an adapter lies in its folder. Load the two one after the other.
#
# Run:      bash findings/transformers_adapter_hides_missing_base_weights.sh      (installs torch, transformers, peft into a temporary venv)
# Prints:
#   base alone: missing ['model.layers.0.mlp.up_proj.weight']
#   base and adapter: missing []
#   two loads give the same up_proj: False
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 transformers==5.24.0 peft==0.21.2 2>/dev/null
cat > "$folder/show.py" <<'PY'
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

base, both = Path(sys.argv[1], "base"), Path(sys.argv[1], "both")
config = LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
LlamaForCausalLM(config).save_pretrained(base)
adapter = LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"])
shutil.copytree(base, both)
get_peft_model(AutoModelForCausalLM.from_pretrained(base), adapter).save_pretrained(both)
for folder in (base, both):
    file = folder / "model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if "up_proj" not in k}, file, {"format": "pt"})


def load(folder):
    torch.seed()
    return AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)


print("base alone: missing", sorted(load(base)[1]["missing_keys"]))
(one, info), (two, _) = load(both), load(both)
print("base and adapter: missing", sorted(info["missing_keys"]))
weights = [model.model.layers[0].mlp.up_proj.weight for model in (one, two)]
print("two loads give the same up_proj:", torch.equal(*weights))
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
base alone: missing ['model.layers.0.mlp.up_proj.weight']
base and adapter: missing []
two loads give the same up_proj: False
SEEN
) && echo "as described"
