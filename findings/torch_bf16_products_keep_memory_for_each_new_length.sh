#!/usr/bin/env bash
# torch 2.14.1 on a CPU, Python 3.11: a bf16 linear layer keeps memory for each number of rows that it has not seen before.
#
# bf16 products on a CPU are oneDNN's. It compiles a kernel for each new shape and keeps 1,024 of them, some 0.6 MB each. Sequences that are
# packed end to end, batches of whole texts and growing caches have ever new lengths, so a training run gains hundreds of MB that are no
# tensors and that no Python tool shows; other blocks that lie between the kernels gain more. Repeating a length costs nothing, nor do
# products in fp32, which are MKL's.
#
# What helps: rounding lengths up to a multiple (32, for example), so that few shapes occur. ONEDNN_PRIMITIVE_CACHE_CAPACITY=8 alone keeps
# about half of the growth.
#
# Run:      bash findings/torch_bf16_products_keep_memory_for_each_new_length.sh      (installs torch into a temporary folder; Linux, a CPU with bf16)
# Prints:
#   torch 2.14.1, four layers, anonymous memory
#   300 times the same length: less than 20 MB more
#   300 new lengths: more than 300 MB more
#   300 new lengths, rounded up to a multiple of 32: less than 60 MB more
#   300 new lengths, capacity 8: less than three quarters of that
#   as described
set -euo pipefail
grep -q avx512_bf16 /proc/cpuinfo || { echo "needs a CPU with bf16 (avx512_bf16)"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "torch==2.14.1" "numpy==2.3.5" 2>/dev/null
cat > "$folder/grown.py" <<'PY'
import sys

import torch
from torch.nn.functional import linear


def anonymous():
    return int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0]) / 1024


torch.set_num_threads(1)
layers = [torch.ones(wide, narrow, dtype=torch.bfloat16) for wide, narrow in ((576, 576), (192, 576), (1536, 576), (576, 1536))]
lengths = {
    "same": [700] * 300,
    "new": range(400, 700),
    "rounded": [-(-length // 32) * 32 for length in range(400, 700)],
}[sys.argv[1]]


def run(lengths):
    for length in lengths:
        for layer in layers:
            linear(torch.ones(length, layer.shape[1], dtype=torch.bfloat16), layer)


run([700] * 5)
before = anonymous()
run(lengths)
print(round(anonymous() - before))
PY
grown() { "$folder/venv/bin/python" "$folder/grown.py" "$1" 2>/dev/null; }
same=$(grown same) new=$(grown new) rounded=$(grown rounded) few=$(ONEDNN_PRIMITIVE_CACHE_CAPACITY=8 grown new)
echo "measured: $same, $new, $rounded, $few MB" >&2
{
    "$folder/venv/bin/python" -c 'import torch; print(f"torch {torch.__version__.split(chr(43))[0]}, four layers, anonymous memory")'
    [ "$same" -lt 20 ] && echo "300 times the same length: less than 20 MB more"
    [ "$new" -gt 300 ] && echo "300 new lengths: more than 300 MB more"
    [ "$rounded" -lt 60 ] && echo "300 new lengths, rounded up to a multiple of 32: less than 60 MB more"
    [ "$few" -lt $((new * 3 / 4)) ] && echo "300 new lengths, capacity 8: less than three quarters of that"
} > "$folder/seen" || true
cat "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
torch 2.14.1, four layers, anonymous memory
300 times the same length: less than 20 MB more
300 new lengths: more than 300 MB more
300 new lengths, rounded up to a multiple of 32: less than 60 MB more
300 new lengths, capacity 8: less than three quarters of that
SEEN
) && echo "as described"
