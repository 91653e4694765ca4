"""A model as the page asks it."""

from __future__ import annotations

import pytest

from frozenvl.data.shots_file import stored
from frozenvl.prompt import Example
from frozenvl.retrieval.image_index import ImageIndex
from frozenvl.serve.engine import Engine, Token
from frozenvl.serve.question import Question
from frozenvl.util.errors import UserError


@pytest.fixture(scope="module")
def engine(headed_run) -> Engine:
    return Engine(headed_run, "headed")


@pytest.fixture(scope="module")
def images(photos):
    return [stored(f"{n}.png", (photos / f"{n}.png").read_bytes()) for n in range(3)]


def test_tokens_are_those_that_the_model_reads(engine, images):
    shots = (Example("1", images[1], "1", question="Which?", answer="red"),)
    question = Question(images[0], "What?", shots, "Be brief.\n")
    tokens = engine.tokens(question)
    batch = engine.processor([engine.worded(question)[1]])
    assert [token.id for token in tokens if token.id >= 0] == batch.tokens[0][batch.slots[0] < 0].tolist()
    assert [token for token in tokens if token.id < 0] == [Token("1.png", -1, 2), Token("0.png", -1, 2)]
    assert "".join(token.text for token in tokens if token.id >= 0) == batch.texts[0]


def test_probabilities_are_shares_of_the_likelihoods(engine, images):
    ranked = engine.rank(Question(images[0], "Is it blue?"), ["yes", "no", "yes", "maybe"])
    shares = [share for _, share in ranked]
    assert {text for text, _ in ranked} == {"yes", "no", "maybe"}
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)
    with pytest.raises(UserError, match="at least two different candidates"):
        engine.rank(Question(images[0]), ["yes", "yes"])


def test_a_folder_is_searched_as_retrieve_does(engine, images, photos):
    hits = engine.search(photos, "a red circle", 3)
    assert hits == ImageIndex(engine.model, photos, None, engine.processor).search("a red circle", 3)
    assert engine.search(photos, images[2], 1)[0].path.name == "2.png"
    assert engine.embeds


def test_an_explanation_is_a_picture_of_each_word_or_of_the_text(engine, images):
    question = Question(images[0], "What?")
    words = engine.explained(question, "occlusion", "red cross", True)
    whole = engine.explained(question, "occlusion", "red cross", False)
    assert words.tobytes() != whole.tobytes()
    with pytest.raises(UserError, match="no method"):
        engine.explained(question, "nothing", "red", True)
