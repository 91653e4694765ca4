#!/usr/bin/env bash
# jsonargparse 4.53.0, PyYAML 6.0.4, Python 3.11: a text that looks like 1e3 is dumped as a number, and the dump cannot be read back.
#
# The arguments of a class are serialised through YAML: PyYAML writes the text 1e3 without quotes, since YAML 1.1 takes it for a text, and
# jsonargparse's own loader reads it as a float. So `dump` writes 1000.0 for a parameter of type `str`, and parsing the dump is refused. At
# the top level the text is written without quotes, and survives.
#
# Effect: a configuration with a name such as "1e3" or "007e1" that was parsed and saved is another one, or none.
# What helps: `jsonargparse.set_dumper("yaml", …)` with a dumper that quotes all texts which the loader takes for numbers.
#
# Run:      bash findings/jsonargparse_dump_turns_text_into_number.sh      (installs jsonargparse into a temporary venv)
# Prints:
#   parsed: '1e3'
#   dumped: {'a': {'class_path': '__main__.A', 'init_args': {'name': 1000.0}}}
#   read back: refused
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "jsonargparse[signatures]==4.53.0" "PyYAML==6.0.4" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import jsonargparse
import yaml


class A:
    def __init__(self, name: str = "x"):
        self.name = name


parser = jsonargparse.ArgumentParser(exit_on_error=False)
parser.add_argument("--a", type=A)
config = parser.parse_args(["--a.class_path", "__main__.A", "--a.name", "1e3"])
print(f"parsed: {config.a.init_args.name!r}")
text = parser.dump(config)
print(f"dumped: {yaml.safe_load(text)}")
try:
    print(f"read back: {parser.parse_string(text).a.init_args.name!r}")
except jsonargparse.ArgumentError:
    print("read back: refused")
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
parsed: '1e3'
dumped: {'a': {'class_path': '__main__.A', 'init_args': {'name': 1000.0}}}
read back: refused
SEEN
) && echo "as described"
