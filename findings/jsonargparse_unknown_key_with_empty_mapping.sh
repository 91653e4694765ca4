#!/usr/bin/env bash
# jsonargparse 4.53.0, Python 3.11: a configuration key that a dataclass does not have is refused, unless its value is an
# empty mapping: then it is dropped without a word. And `null` is taken for a field whose type has no None, if it has a default.
#
# Who meets it: someone whose YAML says `optimiser: {}` where the class has `optimizer`, and who trusts that misspelt keys
# are refused, as they are with any other value; or `seeds: null` for `seeds: list[int]`, which arrives as None.
#
# Seen:
#   {'sedes': [1]}: refused
#   {'sedes': {}}: accepted, Namespace(name='a', seeds=[0])
#   {'seeds': None}: accepted, Namespace(name='a', seeds=None)
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
