"""What is learned of a conversation: exactly the replies and their end tokens, and as much as of single rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest
import torch
from chat_models import LAYOUTS, chat_model, chat_tokenizer
from losses import loss_of
from PIL import Image

from frozenvl.model.batch import IGNORE
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import BlackImage, Example, ImageFile, Turn, joined
from frozenvl.wording import Template

COUNT, PER_BATCH, K = 1000, 50, 3
PIECES = (
    "red", "circle", " ", "  ", "\n", "\n\n", "\t", ".", "?", ":", "'s", "42",
    "Zażółć", "日本語", "עברית", "e\u0301", "😀", "👩‍👩‍👧",
    "<end>", "<|im_start|>", "<|im_end|>", "<|eot|>", "<|header|>", "</turn>", "[INST]", "[/INST]", "</s>", "<think>",
    "</think>", "<image>", "assistant", "Q:", " A:", "{image}", "\u200b", "\ufffd",
)  # fmt: skip
"""Pieces of random texts: words, white space, scripts, and the spellings of special tokens."""
PLAIN = Template("{image}Q: {question} A:", " {target}")


def text(random: Random) -> str:
    """Returns a random text that is not empty; some are white space alone."""
    return "".join(random.choices(PIECES, k=random.choice((1, 1, 2, 5, 12)))) or "."


def message(random: Random) -> tuple:
    """Returns a message of texts with images anywhere among them, or none."""
    parts = [text(random)]
    for number in range(random.choice((0, 0, 1, 2))):
        parts.insert(random.randrange(len(parts) + 1), BlackImage(name=f"image {number}"))
    return joined(parts)


def conversation(number: int) -> Example:
    random = Random(number)
    turns = [Turn(message(random), text(random)) for _ in range(random.randint(1, 5))]
    return Example(str(number), BlackImage(), str(number), turns=tuple(turns))


def learned(labels: list[int]) -> list[list[int]]:
    """Returns the runs of learned tokens of a row, each up to an end token."""
    runs: list[list[int]] = [[]]
    for before, label in zip([IGNORE, *labels], labels, strict=False):
        if label == IGNORE and before != IGNORE:
            runs.append([])
        elif label != IGNORE:
            runs[-1].append(label)
    return [run for run in runs if run]


@pytest.mark.parametrize("name", [*LAYOUTS, "plain"])
def test_the_learned_tokens_are_the_replies_and_their_end_tokens(tmp_path, name):
    layout = LAYOUTS.get(name)
    words = chat_tokenizer(tmp_path, layout or LAYOUTS["chatml"])
    processor = Processor(str(tmp_path), K, Pixels(8), max_target_tokens=10_000)
    template = PLAIN if layout is None else Template(chat=True)
    end = {"chatml": "<|im_end|>", "thinking": "<|im_end|>", "headers": "<|eot|>", "turns": "</turn>"}.get(
        name, "<end>"
    )
    trims, lead = name in ("headers", "turns"), {"brackets": " ", "plain": " "}.get(name, "")
    end_id = words.convert_tokens_to_ids(end)
    examples = [conversation(number) for number in range(COUNT)]
    replies = mismatches = 0
    for start in range(0, COUNT, PER_BATCH):
        some = examples[start : start + PER_BATCH]
        batch = processor([template.sample(example) for example in some])
        for row, example in enumerate(some):
            length = int(batch.lengths[row])
            tokens, labels = batch.tokens[row, :length].tolist(), batch.labels[row, :length].tolist()
            expected = [lead + (turn.reply.strip() if trims else turn.reply) for turn in example.turns]
            runs = learned(labels)
            said = [words.decode(run[:-1]) for run in runs]
            replies += len(expected)
            mismatches += said != expected or any(run[-1] != end_id or end_id in run[:-1] for run in runs)
            # The tokens that are learned are those that the model reads, one position later.
            followed = zip(labels, [*tokens[1:], end_id], strict=True)
            mismatches += any(label not in (IGNORE, token) for label, token in followed)
            assert labels[-1] == end_id and not any(
                labels[p] != IGNORE for p in slots_before_text(batch, row)
            )
    assert mismatches == 0 and replies > 2 * COUNT


def slots_before_text(batch, row: int) -> list[int]:
    """Returns the positions of a row whose next position is an image's: an image is never predicted."""
    slots = batch.slots[row, : int(batch.lengths[row])].tolist()
    return [place for place, following in enumerate(slots[1:]) if following >= 0]


@pytest.mark.parametrize("name", ["chatml", "headers", "brackets", "turns"])
def test_a_conversation_reads_as_the_template_renders_it(tmp_path, name):
    """The conversation has no images, and no text that spells a special token."""
    words = chat_tokenizer(tmp_path, LAYOUTS[name])
    processor = Processor(str(tmp_path), K, Pixels(8), max_target_tokens=10_000)
    template = Template(chat=True)
    for number in range(100):
        random = Random(number)
        said = [" ".join(random.choices(("red", "Zażółć", "is\nit?", "😀"), k=3)) for _ in range(6)]
        turns = tuple(Turn((said[n],), said[n + 1]) for n in range(0, 6, 2))
        system = said[0] if LAYOUTS[name].system and number % 2 else ""
        batch = processor([template.sample(Example("x", BlackImage(), "x", turns=turns, system=system))])
        messages = [{"role": "system", "content": system}] * bool(system)
        messages += [{"role": ("user", "assistant")[n % 2], "content": each} for n, each in enumerate(said)]
        rendered = words.apply_chat_template(messages, tokenize=False)
        tokens = [*batch.tokens[0].tolist(), int(batch.labels[0, -1])]
        assert words.decode(tokens) == rendered.rstrip("\n")


def square(folder: Path, colour: str) -> Path:
    path = folder / f"{colour}.png"
    Image.new("RGB", (64, 64), colour).save(path)
    return path


@pytest.fixture
def build_fp64(tiny_vision):
    def build(folder):
        torch.manual_seed(1)
        language = FrozenLanguageModel(str(folder))
        model = FrozenVL(language, TimmEncoder(str(tiny_vision)), partial(MLP, hidden=16), 2).double()
        return model, model.processor()

    return build


@pytest.mark.parametrize("name", ["chatml", "brackets", "plain"])
def test_a_row_of_n_replies_has_the_loss_of_n_rows(tmp_path, build_fp64, name):
    layout = LAYOUTS["chatml" if name == "plain" else name]
    model, processor = build_fp64(chat_model(tmp_path, layout))
    template = PLAIN if name == "plain" else Template(chat=True)
    red, blue = (ImageFile(square(tmp_path, colour)) for colour in ("red", "blue"))
    turns = (
        Turn((red, "What is it?"), "a red circle"),
        Turn(("And ", blue, "?"), "two small blue stars"),
        Turn(("How many?",), "3"),
    )
    example = Example("x", red, "x", turns=turns)
    whole = loss_of(model, processor([template.sample(example)]))
    single = [replace(example, turns=turns[: count + 1]) for count in range(len(turns))]
    rows = []
    for each in single:
        prompt = template.prompt(each)  # its earlier replies are not learned
        sample = replace(template.sample(each), prompt=prompt)
        rows.append(loss_of(model, processor([sample])))
    total = sum(row.nll for row in rows)
    assert whole.tokens == sum(row.tokens for row in rows)
    torch.testing.assert_close(whole.nll, total, rtol=1e-12, atol=0)
    weight = model.mapper.net[-1].weight
    one, other = (torch.autograd.grad(loss, weight)[0] for loss in (whole.nll, total))
    largest = other.abs().max().item()
    assert largest > 0.01
    # LLaMA's normalisation computes in fp32 inside, also of fp64.
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * largest)
