"""The matching head: its formula, its prompt, exports, and that captions do not notice it."""

from __future__ import annotations

import pytest
import torch
from retrieval_models import retrieval_model

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.heads import Matching
from frozenvl.prompt import BlackImage, Marker
from frozenvl.util.errors import UserError

IMAGE = BlackImage(64, name="image")


def with_head(language, vision, **options) -> FrozenVL:
    return retrieval_model(language, vision, extra={"m": Matching(**options)}).eval()


def test_the_logit_is_linear_in_the_state_at_the_marker(tiny_language, tiny_vision):
    model = with_head(tiny_language, tiny_vision)
    head, processor = model.matcher(), model.processor()
    batch = processor([head.prompt(IMAGE, text) for text in ("red circle", "a child in a pink dress")])
    found = head.logits(model.run(batch))
    linear = head.read.linear
    for row, odds in enumerate(found):
        alone = model.run(batch.select(torch.tensor([row]), int(batch.lengths[row])))
        ((_, states),) = alone.hidden()
        assert odds.item() == pytest.approx((states[-1] @ linear.weight[0] + linear.bias[0]).item(), rel=1e-4)
    assert found.shape == (2,) and found.dtype == torch.float32 and found.requires_grad


def test_a_hidden_layer_reads_several_layers(tiny_language, tiny_vision):
    head = with_head(tiny_language, tiny_vision, pool="mean", layers=[0, 1, 2], hidden=7, norm=True).matcher()
    assert head.read.linear.weight.shape == (7, 3 * 32) and head.decide[1].weight.shape == (1, 7)
    assert head.markers() == {} and "vector" not in head.state_dict()


def test_the_prompt_is_image_text_and_marker():
    assert Matching().prompt(IMAGE, "a dog") == (IMAGE, "a dog", Marker("[MATCH]"))
    assert Matching(text=" {text}.", marker="[M]").prompt(IMAGE, "x") == (IMAGE, " x.", Marker("[M]"))
    assert Matching("last").prompt(IMAGE, "x") == (IMAGE, "x")


def test_captions_do_not_notice_the_head(tiny_language, tiny_vision):
    plain, model = retrieval_model(tiny_language, tiny_vision).eval(), with_head(tiny_language, tiny_vision)
    model.mapper.load_state_dict(plain.mapper.state_dict())
    said = [m.generate(m.processor()([(IMAGE,)]), m.processor(), 8) for m in (plain, model)]
    assert said[0] == said[1] != [""]


def test_an_export_keeps_the_head(tiny_language, tiny_vision, tmp_path):
    model = with_head(tiny_language, tiny_vision, hidden=3)
    with torch.no_grad():
        model.matcher().vector += 1
    model.save_pretrained(tmp_path)
    again = FrozenVL.from_pretrained(tmp_path)
    pairs = [(IMAGE, "red circle"), (IMAGE, "no")]
    assert torch.equal(again.match(again.processor(), pairs), model.match(model.processor(), pairs))
    card = (tmp_path / "README.md").read_text()
    assert "Head `m`: frozenvl.model.heads.matching.Matching(hidden=3)" in card
    assert "model.match(processor, " in card and "model.embed_texts" in card


def test_the_card_of_a_model_that_only_matches_embeds_nothing(tiny_language, tiny_vision, tmp_path):
    retrieval_model(tiny_language, tiny_vision, heads={"m": Matching()}).save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert "model.match(processor, " in card and "model.embed_texts" not in card


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"text": "words"}, r"it has to contain \{text\} once"),
        ({"layers": ()}, "layers is empty"),
        ({"hidden": -1}, "hidden is -1"),
    ],
)
def test_wrong_options_are_refused(options, line):
    with pytest.raises(UserError, match=line):
        Matching(**options)


def test_a_layer_that_the_model_lacks_is_refused(tiny_language, tiny_vision):
    with pytest.raises(UserError, match=r"layer 3, but .+ has 2"):
        with_head(tiny_language, tiny_vision, layers=[3])
