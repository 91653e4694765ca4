"""Conversations that are longer than the context."""

from __future__ import annotations

import pytest
from chat_models import CHATML, chat_tokenizer

from frozenvl.model.conversation_cut import without_last_turns
from frozenvl.model.processor import Pixels, Processor
from frozenvl.prompt import BlackImage, Example, Turn
from frozenvl.util.errors import LongSample
from frozenvl.wording import Template

IMAGE, OTHER = BlackImage(name="first"), BlackImage(name="second")
TURNS = (
    Turn((IMAGE, "What is it?"), "a red circle"),
    Turn(("And now?", OTHER), "two small blue stars"),
    Turn(("How many?",), "3"),
)
TEMPLATES = [Template(chat=True), Template("{image}Q: {question} A:", " {target}")]
K = 4


def conversation(turns=TURNS) -> Example:
    return Example("x", IMAGE, "x", turns=tuple(turns))


@pytest.fixture(scope="module")
def name(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("chat")
    chat_tokenizer(folder, CHATML)
    return str(folder)


@pytest.fixture(scope="module")
def length(name):
    whole = Processor(name, K, Pixels(8))
    return lambda turns, template: int(whole([template.sample(conversation(turns))]).lengths)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("kept", [1, 2])
@pytest.mark.parametrize("room", [0, 1])
def test_a_long_conversation_is_cut_after_its_last_whole_turn_that_fits(name, length, template, kept, room):
    limit = length(TURNS[:kept], template) + room
    processor = Processor(name, K, Pixels(8), max_positions=limit)
    batch = processor([template.sample(conversation())])
    expected = processor([template.sample(conversation(TURNS[:kept]))])
    for field in ("tokens", "slots", "labels", "lengths", "image_of"):
        assert getattr(batch, field).equal(getattr(expected, field)), field
    assert batch.image_keys == ("first", "second")[:kept] and batch.target_bytes == expected.target_bytes
    whole = length(TURNS, template)
    assert batch.cut == (("x#0", f"{3 - kept} of 3 turns left out: {whole} positions, {limit} fit"),)
    assert not expected.cut and batch.ids == ("x#0",)


@pytest.mark.parametrize("template", TEMPLATES)
def test_images_of_other_rows_stay(name, length, template):
    limit = length(TURNS[:1], template)
    processor = Processor(name, K, Pixels(8), max_positions=limit)
    short = conversation((Turn((OTHER, "Is it?"), "no"),))
    batch = processor([template.sample(short), template.sample(conversation())])
    assert batch.image_keys == ("second", "first") and len(batch.cut) == 1
    assert batch.lengths.max() <= limit


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("turns", [TURNS, TURNS[:1]])
def test_a_first_turn_that_is_too_long_is_refused_with_its_sample(name, length, template, turns):
    limit = length(TURNS[:1], template) - 1
    processor = Processor(name, K, Pixels(8), max_positions=limit)
    with pytest.raises(
        LongSample, match=rf"x#0: its first turn has {limit + 1} positions, of which {limit} fit"
    ) as e:
        processor([template.sample(conversation(turns))])
    assert e.value.sample == "x#0"


def test_only_conversations_to_train_on_are_cut(name):
    template = TEMPLATES[0]
    processor = Processor(name, K, Pixels(8), max_positions=10)
    assert processor([template.prompt(conversation())]).lengths > 10  # evaluation, which refuses it
    question = Example("q", IMAGE, "x", question="What is it, and where?", answer="a red circle")
    assert processor([template.sample(question)]).lengths > 10


def test_demonstrations_are_no_turns_to_cut(name):
    template = TEMPLATES[0]
    sample = template.sample(conversation(), shots=[conversation()], learned=[0])
    assert [shorter.target for shorter in without_last_turns(sample)] == [turn.reply for turn in TURNS[:2]]
    assert len(without_last_turns(sample)[0].images) == 3  # two of the demonstration
