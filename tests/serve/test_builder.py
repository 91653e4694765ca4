"""The few-shot examples of a page; tests/serve/test_page.py clicks them."""

from __future__ import annotations

import pytest

gr = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")

from frozenvl.serve.builder import MAX_SHOTS, Builder, Row  # noqa: E402 - imports Gradio
from frozenvl.serve.uploads import Uploads  # noqa: E402
from frozenvl.util.errors import UserError  # noqa: E402


@pytest.fixture
def builder(tmp_path) -> Builder:
    with gr.Blocks():
        return Builder(Uploads(tmp_path))


def cells(*rows: Row) -> list:
    return [value for row in (*rows, *[Row()] * (MAX_SHOTS - len(rows))) for value in row]


def rows_of(values: list) -> list[Row]:
    used, flat = values[0], values[1 + MAX_SHOTS :]
    assert [group.visible for group in values[1 : 1 + MAX_SHOTS]] == [n < used for n in range(MAX_SHOTS)]
    return [Row(*flat[place : place + 3]) for place in range(0, 3 * used, 3)]


A, B = Row("a.png", "a?", "a"), Row("b.png", "b?", "b")


def test_rows_are_added_moved_and_removed(builder):
    both = (2, *cells(A, B))
    assert rows_of(builder._add(*both)) == [A, B, Row()]
    assert rows_of(builder._move(1, -1, *both)) == rows_of(builder._move(0, 1, *both)) == [B, A]
    assert rows_of(builder._move(0, -1, *both)) == rows_of(builder._move(1, 1, *both)) == [A, B]
    assert rows_of(builder._remove(0, *both)) == [B]
    with pytest.raises(UserError, match="remove one first"):
        builder._add(MAX_SHOTS, *cells(*[A] * MAX_SHOTS))


def test_an_incomplete_row_is_named(builder, photos):
    whole = Row(str(photos / "0.png"), "", " a cross ")
    shots = builder.shots(" Be brief. ", 1, *cells(whole))
    assert shots.induction == "Be brief." and [e.targets for e in shots.examples] == [("a cross",)]
    with pytest.raises(UserError, match="few-shot example 2 needs an image"):
        builder.shots("", 2, *cells(whole, Row(None, "q", "a")))
    with pytest.raises(UserError, match="few-shot example 1 needs a text"):
        builder.shots("", 1, *cells(Row(whole.image, "q", " ")))
    with pytest.raises(UserError, match="there is no example to save"):
        builder._save("", 0, *cells())


def test_a_file_names_only_images_that_came_with_it(builder, photos, tmp_path):
    file = tmp_path / "shots.yaml"
    file.write_text(
        f"induction: Be brief.\nshots: [{{image: {photos / '1.png'}, question: a?, answer: b}}]\n"
    )
    with pytest.raises(UserError, match="not among the chosen files"):
        builder._load([str(file)])
    *values, induction = builder._load([str(file), str(photos / "1.png")])
    (row,) = rows_of(values)
    assert (row.question, row.answer, induction) == ("a?", "b", "Be brief.")
    assert row.image.startswith(str(tmp_path)) and row.image.endswith("1.png")
    (tmp_path / "many.yaml").write_text(f"shots: [{', '.join(['{image: 1.png, answer: a}'] * 9)}]")
    with pytest.raises(UserError, match="9 examples; the page holds 8"):
        builder._load([str(tmp_path / "many.yaml"), str(photos / "1.png")])
    with pytest.raises(UserError, match="choose one YAML file"):
        builder._load([str(photos / "1.png")])
