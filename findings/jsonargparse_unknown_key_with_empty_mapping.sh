#!/usr/bin/env bash
# jsonargparse 4.53.0, Python 3.11: an unknown key with an empty mapping as its value is dropped silently.
#
# A key that a dataclass does not have is refused, except if its value is an empty mapping. In addition, `null` is accepted for
# a field whose type does not allow None, if the field has a default.
#
# Effect: `optimiser: {}` in YAML passes where the class has `optimizer`, although other misspelt keys are refused.
# `seeds: null` for `seeds: list[int]` arrives as None.
#
# Run:      bash findings/jsonargparse_unknown_key_with_empty_mapping.sh      (installs jsonargparse into a temporary venv)
# Prints:
#   {'sedes': [1]}: refused
#   {'sedes': {}}: accepted, Namespace(name='a', seeds=[0])
#   {'seeds': None}: accepted, Namespace(name='a', seeds=None)
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "jsonargparse[signatures]==4.53.0" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import dataclasses

import jsonargparse


@dataclasses.dataclass
class Spec:
    name: str
    seeds: list[int] = dataclasses.field(default_factory=lambda: [0])


parser = jsonargparse.ArgumentParser(exit_on_error=False)
parser.add_argument("--spec", type=Spec)
for extra in ({"sedes": [1]}, {"sedes": {}}, {"seeds": None}):
    try:
        print(f"{extra}: accepted, {parser.parse_object({'spec': {'name': 'a'} | extra}).spec}")
    except jsonargparse.ArgumentError:
        print(f"{extra}: refused")
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
{'sedes': [1]}: refused
{'sedes': {}}: accepted, Namespace(name='a', seeds=[0])
{'seeds': None}: accepted, Namespace(name='a', seeds=None)
SEEN
) && echo "as described"
