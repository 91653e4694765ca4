#!/usr/bin/env bash
# matplotlib 3.11.2, Python 3.11: what is drawn with an offset of some points is outside of the axes.
#
# `offset_copy(axes.transData, figure, …)` shifts a line by points, so that error bars at the same place do not hide each other. Such a
# line does not count for the limits of the axes: with nothing else drawn, they stay around 0, and the saved figure is empty. No
# warning is given. The same holds for `axes.transData + ScaledTranslation(…)`, and for `errorbar`.
# An offset in data units, which is put in front (`Affine2D().translate(…) + axes.transData`), does count.
#
# Effect: a plot without its lines, or with those lines alone that happen to lie in the limits of others.
# What helps: draw without the transform, and call `set_transform` on what was drawn.
#
# Run:      bash findings/matplotlib_offset_copy_loses_limits.sh      (installs matplotlib into a temporary venv)
# Prints:
#   plot: x 90 to 310
#   plot with offset_copy: x -0.055 to 0.055
#   errorbar with offset_copy: x -0.055 to 0.055
#   plot with an offset in data units: x 90 to 310
#   plot, then set_transform: x 90 to 310
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "matplotlib==3.11.2" 2>/dev/null
cat > "$folder/show.py" <<'PY'
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D, offset_copy

X, Y = [100, 300], [20, 70]


def limits(what, draw):
    figure = Figure()
    axes = figure.subplots()
    draw(axes, offset_copy(axes.transData, figure, 4, 0, "points"))
    print(f"{what}: x {axes.get_xlim()[0]:.3g} to {axes.get_xlim()[1]:.3g}")


def set_afterwards(axes, offset):
    (line,) = axes.plot(X, Y)
    line.set_transform(offset)


limits("plot", lambda axes, offset: axes.plot(X, Y))
limits("plot with offset_copy", lambda axes, offset: axes.plot(X, Y, transform=offset))
limits("errorbar with offset_copy", lambda axes, offset: axes.errorbar(X, Y, [5, 5], transform=offset))
limits(
    "plot with an offset in data units",
    lambda axes, offset: axes.plot(X, Y, transform=Affine2D().translate(0, 1) + axes.transData),
)
limits("plot, then set_transform", set_afterwards)
PY
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
plot: x 90 to 310
plot with offset_copy: x -0.055 to 0.055
errorbar with offset_copy: x -0.055 to 0.055
plot with an offset in data units: x 90 to 310
plot, then set_transform: x 90 to 310
SEEN
) && echo "as described"
