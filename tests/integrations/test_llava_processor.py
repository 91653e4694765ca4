"""The processor in LLaVA's layout: token ids and pixels are those that the model was trained with."""

from __future__ import annotations

import chat_models
import PIL.Image
import pytest
import tiny
import torch
from tokenizers import AddedToken
from transformers import AutoProcessor, AutoTokenizer, PreTrainedTokenizerFast

from frozenvl.integrations.llava import write_llava
from frozenvl.integrations.llava_processor import IMAGE, image_token_of, quoted
from frozenvl.prompt import Example, ImageFile, Turn
from frozenvl.util.errors import UserError
from frozenvl.wording import CHAT, VQA, Template

SIZES = [(32, 32), (50, 37), (37, 50), (640, 33), (31, 17), (333, 500)]


@pytest.fixture
def reloaded(tmp_path):
    """Function that writes a model and loads its processor."""

    def load(model):
        write_llava(model, tmp_path / "made")
        return AutoProcessor.from_pretrained(tmp_path / "made")

    return load


def ids_of(processor, messages, image) -> list[int]:
    """Returns the token ids of messages, without those of image positions."""
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    ids = processor(images=image, text=text, add_special_tokens=False)["input_ids"][0]
    return [token for token in ids if token != processor.image_token_id]


def ours(model, example) -> list[int]:
    """Returns the token ids of a prompt, without those of image positions."""
    batch = model.processor()([model.template.prompt(example)])
    return [
        token
        for token, slot in zip(batch.tokens[0].tolist(), batch.slots[0].tolist(), strict=True)
        if slot < 0
    ]


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_equal(new, reloaded, tmp_path, size):
    model = new()
    noise = torch.randint(0, 256, (size[1], size[0], 3), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )
    PIL.Image.fromarray(noise.numpy()).save(tmp_path / "noise.png")
    got = reloaded(model).image_processor(PIL.Image.open(tmp_path / "noise.png"), return_tensors="pt")
    wanted = model.processor().reader([ImageFile(tmp_path / "noise.png")])
    wanted = (wanted / 255 - model.vision.mean) / model.vision.std
    torch.testing.assert_close(got["pixel_values"], wanted, rtol=0, atol=1e-5)


@pytest.fixture
def picture(tmp_path):
    PIL.Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    return ImageFile(tmp_path / "red.png")


TALK = [("what is it?", "a circle"), ("what color?", "red"), ("sure?", "")]


def example(picture, turns):
    """Returns a conversation whose first message shows the picture, and its messages as transformers takes them."""
    pairs = TALK[:turns]
    made = [
        Turn((picture, question) if not at else (question,), reply)
        for at, (question, reply) in enumerate(pairs)
    ]
    messages = []
    for at, (question, reply) in enumerate(pairs):
        shown = [{"type": "image"}] if not at else []
        messages.append({"role": "user", "content": [*shown, {"type": "text", "text": question}]})
        if at < turns - 1:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": reply}]})
    return Example("0", picture, "red", turns=tuple(made)), messages


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize(
    "template",
    [VQA, Template("{image}Q: {question} A:", " {target}.", separator="\n\n", induction="Answer \"well\".\n")],
    ids=["vqa", "with an induction"],
)  # fmt: skip
def test_a_wording_becomes_a_chat_template(new, reloaded, picture, template, turns):
    model = new(template=template)
    talk, messages = example(picture, turns)
    assert ids_of(reloaded(model), messages, picture.read()) == ours(model, talk)


@pytest.mark.parametrize("name", ["CHATML", "HEADERS"])
@pytest.mark.parametrize("turns", [1, 3])
def test_the_own_chat_template_stays(new, reloaded, picture, tmp_path, name, turns):
    language = chat_models.chat_model(tmp_path / "chat", getattr(chat_models, name))
    model = new(language=language, template=CHAT)
    talk, messages = example(picture, turns)
    assert ids_of(reloaded(model), messages, picture.read()) == ours(model, talk)


def test_prompts_begin_with_the_start_token_if_those_in_training_did(new, reloaded, picture, tmp_path):
    language = chat_models.chat_model(tmp_path / "chat", chat_models.HEADERS)
    model = new(language=language, template=VQA, bos=True)
    processor = reloaded(model)
    talk, messages = example(picture, 1)
    ids = ids_of(processor, messages, picture.read())
    assert ids == ours(model, talk) and ids[0] == processor.tokenizer.bos_token_id
    bare = processor(images=picture.read(), text=IMAGE)["input_ids"][0]
    assert bare[0] == processor.tokenizer.bos_token_id


def words(folder, *special: str) -> PreTrainedTokenizerFast:
    """Returns the tiny tokeniser with further special tokens that no attribute names."""
    made = tiny.tokenizer(folder)
    made.add_tokens([AddedToken(token, special=True) for token in special])
    return made


def test_the_image_token_is_a_special_token_that_nothing_uses(tmp_path):
    made = words(tmp_path, "<file>", "<repo>")
    size = len(made)
    assert image_token_of(made, size) == "<repo>"
    made.chat_template = "uses <repo>"
    assert image_token_of(made, size) == "<file>" and len(made) == size


def test_the_image_token_is_new_if_there_is_a_row_for_it_or_no_other(tmp_path):
    made = words(tmp_path, "<file>")
    size = len(made)
    assert image_token_of(made, size + 1) == IMAGE and len(made) == size + 1
    assert image_token_of(made, size + 1) == IMAGE and len(made) == size + 1
    full = words(tmp_path)
    size = len(full)
    assert image_token_of(full, size) == IMAGE and len(full) == size + 1


@pytest.mark.real
def test_the_image_token_of_a_real_vocabulary(fetched):
    made = AutoTokenizer.from_pretrained(fetched("SmolLM2-135M-Instruct"))
    size = len(made)
    token = image_token_of(made, size)
    assert len(made) == size and token not in made.chat_template and token != made.eos_token
    assert made(f"a{token}b")["input_ids"][1] == made.convert_tokens_to_ids(token)


def test_a_text_as_a_literal_of_jinja():
    from jinja2 import Template as Jinja

    for text in ("a 'b' \"c\"\n\\d", "ü {{ x }}"):
        assert Jinja("{{- " + quoted(text) + " -}}").render() == text


def test_a_start_token_that_is_not_there(new, tmp_path):
    model = new()
    model.bos = True
    with pytest.raises(UserError, match="its tokeniser has none"):
        write_llava(model, tmp_path / "made")
