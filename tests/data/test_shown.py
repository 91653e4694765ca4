"""Conversations and prompts as text, with what is learned marked, and tiles of examples."""

from __future__ import annotations

import pytest
from chat_models import LAYOUTS, chat_tokenizer
from toy import Square, question

from frozenvl.data.shown import conversation_text, green, text_processor, tile_of, worded_text
from frozenvl.prompt import NO_IMAGE, Example, Turn
from frozenvl.wording import Template

A, B = Square("a.png", (255, 0, 0)), Square("b.png", (0, 0, 255))
TALK = Example(
    "1",
    A,
    "a",
    turns=(Turn((A, "What\nis it?"), "A </s> bus."), Turn(("And ", B, "?"), "日本")),
    system="Be kind.",
)


def test_a_conversation_as_text():
    assert conversation_text(TALK) == (
        "system: Be kind.\nuser: <a.png>What\nis it?\nassistant: ⟦A </s> bus.⟧\n"
        "user: And <b.png>?\nassistant: ⟦日本⟧"
    )
    assert "assistant: \033[32m日本\033[0m" in conversation_text(TALK, green)


@pytest.mark.parametrize(
    ("name", "template", "text"),
    [
        (
            "chatml",
            Template(chat=True),
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n<a.png>What\nis it?<|im_end|>\n"
            "<|im_start|>assistant\n⟦A </s> bus.<|im_end|>⟧\n<|im_start|>user\nAnd <b.png>?<|im_end|>\n"
            "<|im_start|>assistant\n⟦日本<|im_end|>⟧",
        ),
        (
            "brackets",
            Template(chat=True),
            "<s>[INST] Be kind.\n\n<a.png>What\nis it? [/INST]⟦ A </s> bus.<end>⟧"
            "[INST] And <b.png>? [/INST]⟦ 日本<end>⟧",
        ),
        (
            "headers",
            Template("{image}Q: {question} A:", " {target}"),
            "Be kind.\n<a.png>Q: What\nis it? A:⟦ A </s> bus.<end>⟧\nQ: And <b.png>? A:⟦ 日本<end>⟧",
        ),
    ],
)
def test_the_tokens_of_a_template_with_those_that_are_learned(tmp_path, name, template, text):
    chat_tokenizer(tmp_path, LAYOUTS[name])
    assert worded_text(TALK, template, text_processor(str(tmp_path))) == text


def test_a_question_and_a_caption(tmp_path):
    chat_tokenizer(tmp_path, LAYOUTS["turns"])
    processor = text_processor(str(tmp_path))
    template = Template("{image}Q: {question} A:", " {target}")
    assert worded_text(question(1), template, processor) == "<1.png>Q: Is it 1? A:⟦ yes<end>⟧"
    caption = Example("1", A, "a", ("a dog", "the dog"))
    assert worded_text(caption, Template(), processor) == "<a.png>⟦a dog<end>⟧"


def test_tiles_show_all_images_and_turns():
    tile = tile_of(TALK, 60)
    assert tile.image.size == (60, 60) and [*tile.texts] == ["What\nis it? → A </s> bus.", "And  ? → 日本"]
    assert tile.image.getpixel((15, 30))[0] > 200 and tile.image.getpixel((45, 30))[2] > 200
    text = Example("2", NO_IMAGE, "text 2", turns=(Turn(("Hello?",), "Hi."),))
    assert tile_of(text, 60).image.getpixel((30, 30)) == (204, 204, 204)
    asked = tile_of(question(1), 60)
    assert (asked.question, asked.texts, len(asked.references)) == ("Is it 1?", ("yes",), 10)
