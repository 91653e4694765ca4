#!/usr/bin/env bash
# pyarrow 26.0.1, Python 3.11: `list_parent_indices` has an entry for values behind a null list, `list_flatten` does not.
#
# Both are documented as partners: the values of all lists, and for each value the index of its list. A null list may have values behind it that
# nobody sees (a mask over existing values, as `ListArray.from_arrays(…, mask=…)` and filters of other libraries leave them). `list_flatten`
# skips them, `list_parent_indices` counts them.
#
# Effect: the two arrays have different lengths, and from the first null list on each value is credited to the wrong row. Nothing is raised
# where the lengths are not compared (`np.bincount`, `take`).
# What helps: `array.filter(array.is_valid())` first, or lengths from `list_value_length`.
#
# Run:      bash findings/pyarrow_parent_indices_count_values_of_null_lists.sh      (installs pyarrow into a temporary venv)
# Prints:
#   lists   [['a', 'b'], None, ['d']]
#   values  ['a', 'b', 'd']
#   parents [0, 0, 1, 2]
#   after a copy through Python objects [0, 0, 2]
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pyarrow==26.0.1" 2>/dev/null
cat > "$folder/show.py" <<'PY'
import pyarrow as pa
import pyarrow.compute as pc

values, offsets = pa.array(["a", "b", "c", "d"]), pa.array([0, 2, 3, 4])
lists = pa.ListArray.from_arrays(offsets, values, mask=pa.array([False, True, False]))
lists.validate(full=True)
print("lists  ", lists.to_pylist())
print("values ", pc.list_flatten(lists).to_pylist())
print("parents", pc.list_parent_indices(lists).to_pylist())
print("after a copy through Python objects", pc.list_parent_indices(pa.array(lists.to_pylist())).to_pylist())
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
lists   [['a', 'b'], None, ['d']]
values  ['a', 'b', 'd']
parents [0, 0, 1, 2]
after a copy through Python objects [0, 0, 2]
SEEN
) && echo "as described"
