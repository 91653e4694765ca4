#!/usr/bin/env bash
# transformers 5.24.0, tokenizers 0.23.3, Python 3.11: `all_special_tokens` lacks special tokens that decoding leaves out.
#
# A tokeniser's file may mark any added token as special; code models have `<file_sep>`, `<reponame>` and the like. `decode` with
# `skip_special_tokens=True` leaves all of them out. But `all_special_tokens`, `all_special_ids` and `get_special_tokens_mask` know only those that an
# attribute names, such as `eos_token`. The one complete list is `added_tokens_decoder`.
#
# Effect: code that looks for special tokens in texts, masks them, or looks for an unused one (for image positions) with `all_special_tokens` does not
# see them, although they vanish from what is decoded.
# What helps: read `added_tokens_decoder` and keep the tokens whose `special` is true.
#
# Run:      bash findings/transformers_special_tokens_that_no_list_has.sh      (installs transformers into a temporary venv)
# Prints:
#   marked as special in the file: ['<unk>', '<end>', '<file_sep>']
#   all_special_tokens: ['<end>', '<unk>']
#   token ids: [0, 4, 1], special tokens mask: [0, 0, 0]
#   decoded without special tokens: 'a b'
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "transformers==5.24.0" "tokenizers==0.23.3" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import sys

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

core = Tokenizer(models.WordLevel({"a": 0, "b": 1, "<unk>": 2}, unk_token="<unk>"))
core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
core.add_special_tokens([AddedToken("<end>", special=True), AddedToken("<file_sep>", special=True)])
PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", unk_token="<unk>").save_pretrained(sys.argv[1])

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
marked = [token.content for _, token in sorted(tokenizer.added_tokens_decoder.items()) if token.special]
print("marked as special in the file:", marked)
print("all_special_tokens:", sorted(tokenizer.all_special_tokens))
ids = tokenizer("a <file_sep> b")["input_ids"]
mask = tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
print(f"token ids: {ids}, special tokens mask: {mask}")
print("decoded without special tokens:", repr(tokenizer.decode(ids, skip_special_tokens=True)))
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder/words" 2>/dev/null > "$folder/seen"
cat "$folder/seen"
cat > "$folder/expected" <<'TXT'
marked as special in the file: ['<unk>', '<end>', '<file_sep>']
all_special_tokens: ['<end>', '<unk>']
token ids: [0, 4, 1], special tokens mask: [0, 0, 0]
decoded without special tokens: 'a b'
TXT
diff "$folder/expected" "$folder/seen"
echo "as described"
