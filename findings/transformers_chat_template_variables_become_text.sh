#!/usr/bin/env bash
# transformers 5.24.0, Python 3.11: a function or a date that is given to a chat template as a variable arrives there as text.
#
# `apply_chat_template(messages, name=value)` passes further variables to the template. Before it does, it replaces values that are not plain JSON by
# the text `<type>`. So a template variable cannot be a function, and a date does not render as a date. The template's own `strftime_now`, which
# many templates call to write today's date into the system message, cannot be replaced that way either: the call fails, because the replacement
# is text.
#
# Effect: prompts of one experiment differ from day to day, and the obvious way to fix the day fails, or writes `<date>` into each prompt.
# What helps: pass dates as text (`date_string`, where a template takes it), or put `{% macro strftime_now(format) %}…{% endmacro %}` in front of
# the template.
#
# Run:      bash findings/transformers_chat_template_variables_become_text.sh      (installs transformers into a temporary venv)
# Prints:
#   a number: 2, a list: a
#   a date: <date>
#   strftime_now as a variable: TypeError: 'str' object is not callable
#   strftime_now as a macro: 2024
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "transformers==5.24.0" "jinja2==3.1.6" 2>/dev/null
cat > "$folder/show.py" <<'PY'
from datetime import date

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

core = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)


def render(template, **variables):
    tokenizer.chat_template = template
    try:
        return tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False, **variables)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


year = "{{ strftime_now('%Y') }}"
print(render("a number: {{ n + 1 }}, a list: {{ names[0] }}", n=1, names=["a"]))
print("a date:", render("{{ day }}", day=date(2024, 7, 26)))
print("strftime_now as a variable:", render(year, strftime_now=lambda form: "2024"))
print("strftime_now as a macro:", render("{% macro strftime_now(form) %}2024{% endmacro %}" + year))
PY
"$folder/venv/bin/python" "$folder/show.py" 2>/dev/null > "$folder/seen"
cat "$folder/seen"
cat > "$folder/expected" <<'TXT'
a number: 2, a list: a
a date: <date>
strftime_now as a variable: TypeError: 'str' object is not callable
strftime_now as a macro: 2024
TXT
diff "$folder/expected" "$folder/seen"
echo "as described"
