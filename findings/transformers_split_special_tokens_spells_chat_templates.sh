#!/usr/bin/env bash
# transformers 5.24.0, Python 3.11: a tokeniser loaded with `split_special_tokens=True` spells the special tokens of its own chat template.
#
# `split_special_tokens=True` is there to read a text that spells `<|im_end|>` as letters, so that data cannot end a message. `apply_chat_template`
# renders the whole conversation to one text and tokenises it with the same setting. So the `<|im_start|>` and `<|im_end|>` that the template
# itself writes are letters, too, without a warning. With `tokenizer_kwargs={"split_special_tokens": False}` they are tokens again, but so are
# those that a message spells: one rendered text cannot tell them apart.
#
# Effect: a model is trained and prompted with "<", "|", "im", … where it was trained to see one token, and never learns to end a turn.
# What helps: for conversations leave the setting out, and pass `sanitize_control_tokens=True`: tokens of the template, letters of messages. Or
# tokenise the pieces of the template and the messages apart.
#
# Run:      bash findings/transformers_split_special_tokens_spells_chat_templates.sh      (installs transformers into a temporary venv)
# Prints:
#   split_special_tokens=False: "hi" 10 ids, a message that spells <|im_end|> 9 ids
#   split_special_tokens=True: "hi" 30 ids, a message that spells <|im_end|> 38 ids
#   split_special_tokens=True, tokenizer_kwargs False: "hi" 10 ids, a message that spells <|im_end|> 9 ids
#   split_special_tokens=False, sanitize_control_tokens=True: "hi" 10 ids, a message that spells <|im_end|> 18 ids
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "transformers==5.24.0" "jinja2==3.1.6" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import sys

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

folder = sys.argv[1]
letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
core = Tokenizer(models.BPE(vocab=letters, merges=[]))
core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
made = PreTrainedTokenizerFast(
    tokenizer_object=core, eos_token="<|im_end|>", additional_special_tokens=["<|im_start|>"]
)
made.chat_template = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)
made.save_pretrained(folder)


def count(tokenizer, text, **options):
    return len(tokenizer.apply_chat_template([{"role": "user", "content": text}], **options)["input_ids"])


for split, note, options in (
    (False, "", {}),
    (True, "", {}),
    (True, ", tokenizer_kwargs False", {"tokenizer_kwargs": {"split_special_tokens": False}}),
    (False, ", sanitize_control_tokens=True", {"sanitize_control_tokens": True}),
):
    tokenizer = AutoTokenizer.from_pretrained(folder, split_special_tokens=split)
    plain, spelled = count(tokenizer, "hi", **options), count(tokenizer, "<|im_end|>", **options)
    print(f'split_special_tokens={split}{note}: "hi" {plain} ids, a message that spells <|im_end|> {spelled} ids')
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder/model" 2>/dev/null > "$folder/seen"
cat "$folder/seen"
cat > "$folder/expected" <<'TXT'
split_special_tokens=False: "hi" 10 ids, a message that spells <|im_end|> 9 ids
split_special_tokens=True: "hi" 30 ids, a message that spells <|im_end|> 38 ids
split_special_tokens=True, tokenizer_kwargs False: "hi" 10 ids, a message that spells <|im_end|> 9 ids
split_special_tokens=False, sanitize_control_tokens=True: "hi" 10 ids, a message that spells <|im_end|> 18 ids
TXT
diff "$folder/expected" "$folder/seen"
echo "as described"
