#!/usr/bin/env bash
# PyYAML 6.0.4, Python 3.11: with `allow_unicode=True` a text with the character U+0085 (next line) is read back with another character.
#
# `safe_dump(…, allow_unicode=True)` writes the character as it is, between single quotes. The loader takes it for a line break, and folds it
# to a space. U+2028 and U+2029 survive, and so does U+0085 without `allow_unicode`, as \N between double quotes.
#
# Effect: texts of crawled pages change when they are saved as YAML and read again.
# What helps: represent texts with U+0085 in double quotes (`represent_scalar(…, style='"')`).
#
# Run:      bash findings/pyyaml_loses_next_line_character.sh      (installs PyYAML into a temporary venv)
# Prints:
#   'a\x85b' → 'a b'
#   'a\u2028b' → 'a\u2028b'
#   'a\x85b' without allow_unicode → 'a\x85b'
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "PyYAML==6.0.4" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import yaml

for text in ("a\x85b", "a\u2028b"):
    print(f"{text!r} → {yaml.safe_load(yaml.safe_dump(text, allow_unicode=True))!r}")
text = "a\x85b"
print(f"{text!r} without allow_unicode → {yaml.safe_load(yaml.safe_dump(text))!r}")
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
'a\x85b' → 'a b'
'a\u2028b' → 'a\u2028b'
'a\x85b' without allow_unicode → 'a\x85b'
SEEN
) && echo "as described"
