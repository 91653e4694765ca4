"""Models in LLaVA's layout: logits and greedy texts are equal, and models that do not fit are refused."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from painted import Painted
from torch import nn
from transformers import AutoModelForImageTextToText, AutoProcessor, LlavaForConditionalGeneration

from frozenvl.integrations.llava import as_llava, fill, write_llava
from frozenvl.model.fusion import CrossAttention
from frozenvl.model.mappers import PatchLinear, PixelShuffle, Resampler
from frozenvl.model.temporal import MeanOverFrames
from frozenvl.model.tuning import Adapters, Finetuned, LoRA, PrefixTuning
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

PLAIN_MLP = partial(PixelShuffle, norm_features=False)
TEXT = " large circle"


@torch.no_grad()
def log_probabilities(model, made, image, token) -> tuple[float, float]:
    """Returns log p(TEXT | image, "a") of a model and of its copy."""
    processor = model.processor()
    batch = processor([Sample("0", (image, "a"), TEXT)])
    (target,) = [[label for label in batch.labels[0].tolist() if label >= 0]]
    words = [
        word for word, slot in zip(batch.tokens[0].tolist(), batch.slots[0].tolist(), strict=True) if slot < 0
    ]
    pixels = (processor.reader([image]) / 255 - model.vision.mean) / model.vision.std
    ids = torch.tensor([[*[token] * model.k, *words]])
    rows = model.language.model.config.vocab_size  # without the row of a new image token
    logits = made(input_ids=ids, pixel_values=pixels).logits[0, -len(target) :, :rows].log_softmax(-1)
    return model.score(batch)[0].item(), logits.gather(1, torch.tensor(target)[:, None]).sum().item()


def spoil(model) -> None:
    """Gives trained weights of the language model other values than those they start from."""
    torch.manual_seed(2)
    for weight in model.language.trained().values():
        nn.init.normal_(weight, std=0.1)


@pytest.mark.parametrize(
    "parts",
    [
        {"layer": -1},
        {"layer": -2},
        {"layer": 1, "grid": "all"},
        {"vision": "siglip"},
        {"vision": "vit"},
        {"vision": "dinov2"},
        {"vision": "dinov2", "grid": "all"},
        {"mapper": PLAIN_MLP},
        {"tuning": LoRA(rank=2)},
        {"tuning": Finetuned()},
    ],
    ids=lambda parts: ", ".join(
        f"{name} {getattr(value, '__name__', value)}"[:20] for name, value in parts.items()
    ),
)
def test_the_copy_has_the_same_log_probabilities(new, parts):
    model = new(**parts)
    spoil(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    new_token = model.language.model.config.vocab_size
    made = as_llava(model, new_token)
    for image in (Painted("red"), Painted("blue")):
        ours, theirs = log_probabilities(model, made, image, new_token)
        assert theirs == pytest.approx(ours, abs=1e-4)
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"mapper": PixelShuffle}, "the mapper is PixelShuffle; .* norm_features: false"),
        ({"mapper": partial(PatchLinear, norm=True)}, "this one normalises"),
        ({"mapper": partial(PixelShuffle, norm_features=False), "k": 4}, "k = the number of patches"),
        ({"mapper": partial(PixelShuffle, norm_features=False, hidden=8)}, "the mapper is PixelShuffle"),
        ({"mapper": partial(Resampler, heads=2), "k": 4}, "the mapper is Resampler"),
        ({"grid": 2}, "the encoder's grid is 2, .* train with grid 4"),
        ({"fusion": partial(CrossAttention, every=1, heads=2)}, "the fusion is CrossAttention"),
        ({"temporal": MeanOverFrames()}, "the temporal part is MeanOverFrames"),
        ({"tuning": PrefixTuning(length=2)}, "the tuning is PrefixTuning"),
        ({"tuning": Adapters(reduction=4)}, "the tuning is Adapters"),
        ({"vision": "vit", "layer": -1}, "other logits .* layer -2"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(new, parts, message, tmp_path):
    if isinstance(fusion := parts.get("fusion"), partial):
        parts = {**parts, "fusion": fusion()}
    model = new(**parts)
    with pytest.raises(UserError, match=message) as caught:
        write_llava(model, tmp_path / "made")
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_an_encoder_of_timm_is_refused(new, tiny_vision, tmp_path):
    model = new(vision=TimmEncoder(str(tiny_vision), grid=2))
    with pytest.raises(UserError, match="the encoder is TimmEncoder"):
        write_llava(model, tmp_path / "made")


def test_a_folder_loads_without_frozenvl_and_writes_the_same_captions(new, tmp_path):
    model = new()
    write_llava(model, tmp_path / "made")
    made = AutoModelForImageTextToText.from_pretrained(tmp_path / "made")
    processor, ours = AutoProcessor.from_pretrained(tmp_path / "made"), model.processor()
    assert type(made) is LlavaForConditionalGeneration
    for colour in ("red", "green", "yellow"):
        image = Painted(colour)
        text = processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}]}])
        inputs = processor(images=image.read(), text=text, return_tensors="pt")
        output = made.generate(**inputs, max_new_tokens=12, do_sample=False)[
            0, inputs["input_ids"].shape[1] :
        ]
        (wanted,) = model.generate(ours([(image,)]), ours, 12)
        assert processor.decode(output, skip_special_tokens=True) == wanted


def test_an_existing_folder_is_left_alone(new, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        write_llava(new(), tmp_path / "made")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["notes.txt"]


def test_weights_without_a_place_are_refused_and_missing_ones_become_zero():
    layer = nn.Linear(2, 3)
    fill(layer, {"weight": torch.ones(2, 2)})
    assert layer.weight.tolist() == [[1, 1], [1, 1], [0, 0]] and layer.bias.tolist() == [0, 0, 0]
    with pytest.raises(UserError, match="no place for the weight other"):
        fill(layer, {"other": torch.ones(1)})
