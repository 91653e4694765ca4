"""What the page asks about."""

from __future__ import annotations

import pytest

gr = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")

from frozenvl.serve.inputs import Inputs  # noqa: E402 - imports Gradio
from frozenvl.serve.uploads import Uploads  # noqa: E402
from frozenvl.util.decoding import Decoding  # noqa: E402
from frozenvl.util.errors import UserError  # noqa: E402


@pytest.fixture
def inputs(tmp_path) -> Inputs:
    with gr.Blocks():
        made = Inputs(Uploads(tmp_path))
        made.place_question()
        made.place_decoding()
        made.place_builder()
    return made


def test_values_become_a_question(inputs, photos):
    initial = [component.value for component in inputs.all]
    values = [str(photos / "0.png"), " What? ", *initial[2:]]
    question = inputs.read(*values)
    assert (question.image.name, question.text, question.shots) == ("0.png", "What?", ())
    assert question.decoding == Decoding(32)
    values[2:7] = [5, 1, 0.5, 0.9, None]
    assert inputs.read(*values).decoding == Decoding(5, 1, 0.5, 0.9, 0)
    values[3] = 4
    with pytest.raises(UserError, match="choose one of them"):
        inputs.read(*values)
    with pytest.raises(UserError, match="there is no image"):
        inputs.read(None, "What?", *initial[2:])
