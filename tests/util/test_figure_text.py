"""Texts of figures in any script."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from matplotlib import font_manager, rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from tiny_fonts import make_bitmap_font, make_font

from frozenvl.util.figure_text import save_figure


@pytest.fixture
def folder(font_folder, monkeypatch):
    """Folder of fonts; matplotlib forgets them after the test."""
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", list(manager.ttflist))
    yield font_folder
    manager._findfont_cached.cache_clear()


def figure(name: str) -> Figure:
    """Figure with a name in red: at a tick, in the title and in the legend."""
    made = Figure(figsize=(3, 2), layout="constrained")
    axes = made.subplots()
    axes.plot([0, 1], label=name)
    axes.set_xticks([0, 1], ["a", name], color="red")
    axes.set_title(name, color="red")
    axes.legend(labelcolor="red")
    return made


def pixels(name: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(save_figure(figure(name)))))


def test_texts_of_dejavu_are_saved_as_they_are(folder):
    plain = io.BytesIO()
    figure("a → ü ж").savefig(plain)
    assert save_figure(figure("a → ü ж")) == plain.getvalue()


def test_svg(folder, capsys):
    with rc_context({"svg.fonttype": "none"}):
        assert save_figure(figure("a 犬"), format="svg").decode().count("a 犬</text>") == 3
    assert capsys.readouterr().err.count("no font has 犬") == 1


def test_names_are_drawn_in_the_fonts_of_the_machine(folder, capsys):
    """A square of the size of each text, 12 and twice 10 points, is added, that of the other
    font half as high. Blurred edges do not count.
    """
    make_font(folder / "one.ttf", "犬")
    make_font(folder / "two.ttf", "猫", top=500)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        red = {
            name: (pixels(name)[..., :3] == (255, 0, 0)).all(2).sum()
            for name in ("a 犬", "a 猫", "a 犬猫", "a")
        }
    square = (12**2 + 2 * 10**2) * (100 / 72) ** 2
    added = [(red[name] - red["a"]) / square for name in ("a 犬", "a 猫", "a 犬猫")]
    assert added == pytest.approx([0.85, 0.42, 1.25], abs=0.12)
    assert not capsys.readouterr().err


def test_what_no_font_has_is_one_line(folder, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels("a 犬の魚")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("frozenvl: warning: no font has 犬 (Chinese and Japanese): boxes ")


def test_fonts_of_pixels_are_left_out_with_matplotlibs_warning(folder):
    make_bitmap_font(folder / "emoji.ttf", "🐕", "red")
    with pytest.warns(UserWarning, match="Glyph 128021"):
        pixels("a 🐕")


def test_other_warnings_are_kept(folder):
    class Warns(Line2D):
        def draw(self, renderer):
            warnings.warn("other", RuntimeWarning, stacklevel=1)

    made = figure("a")
    made.add_artist(Warns([0, 1], [0, 1]))
    with pytest.warns(RuntimeWarning, match="other"):
        save_figure(made)
