"""The head in a sentence encoder's space: embeddings by transformers alone, what is trained, caches and exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from painted import Painted
from retrieval_models import pairs
from running import one_line
from safetensors.torch import load_file, save_file
from tiny_sentences import LONGEST, sentence_encoder
from transformers import AutoModel, AutoTokenizer

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.heads import SentenceSpace
from frozenvl.model.heads.text_cache import cached_texts
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.vision import TimmEncoder
from frozenvl.objectives import Contrastive
from frozenvl.objectives.objective import count_rows
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.util.errors import UserError

TEXTS = ["a red circle", "dog", "two blue stars runs a photo of no dog", "two"]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    return sentence_encoder(tmp_path_factory.mktemp("sentences"))


def model_with(language: Path, vision: Path, head: SentenceSpace, grid: int = 1, **options) -> FrozenVL:
    return FrozenVL(
        FrozenLanguageModel(str(language)),
        TimmEncoder(str(vision), grid=grid),
        Linear,
        2,
        heads={"s": head},
        **options,
    )


@pytest.mark.parametrize("pool", ["mean", "first"])
def test_texts_are_embedded_as_by_transformers_alone(tiny_language, tiny_vision, encoder, pool):
    """One text at a time, without padding, cut at the limit of the file sentence_bert_config.json."""
    model = model_with(tiny_language, tiny_vision, SentenceSpace(str(encoder), pool)).train()
    found = model.embed_texts(model.processor(), TEXTS)
    words, plain = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()
    for text, vector in zip(TEXTS, found, strict=True):
        ids = words(text)["input_ids"]
        ids = ids if len(ids) <= LONGEST else [*ids[: LONGEST - 1], ids[-1]]
        with torch.no_grad():
            states = plain(input_ids=torch.tensor([ids])).last_hidden_state[0].double()
        expected = states.mean(0) if pool == "mean" else states[0]
        assert torch.allclose(vector.double(), expected / expected.norm(), atol=1e-6), text
    assert found.dtype == torch.float32 and found.shape == (4, 12)


@pytest.mark.parametrize("hidden", [None, 5])
def test_images_are_the_map_of_their_mean_features(tiny_language, tiny_vision, encoder, hidden):
    model = model_with(tiny_language, tiny_vision, SentenceSpace(str(encoder), hidden=hidden), grid=2).eval()
    images = [Painted("red"), Painted("blue", (32, 32))]
    found = model.embed_images(model.processor(), images)
    weights = {name: value.double() for name, value in model.heads["s"].trained().items()}
    with torch.no_grad():
        pooled = model.encode(model.processor().reader(images)).double().mean(1)
    made = pooled @ weights["project_image.1.weight"].T + weights["project_image.1.bias"]
    if hidden:
        made = (
            torch.nn.functional.gelu(made) @ weights["project_image.3.weight"].T
            + weights["project_image.3.bias"]
        )
    expected = made / made.norm(dim=1, keepdim=True)
    assert torch.allclose(found.double(), expected, atol=1e-5)


def test_only_the_map_of_images_is_trained(tiny_language, tiny_vision, encoder):
    objectives = {"c": Contrastive()}
    model = model_with(tiny_language, tiny_vision, SentenceSpace(str(encoder)), objectives=objectives).train()
    head = model.heads["s"]
    assert not head.encoder.training and head.project_image.training
    batch = ObjectiveRows(model.processor(), objectives)(pairs(0, 3))
    run = model.run(batch)
    (objectives["c"].total(run.of("c")) / count_rows(objectives, [batch])["c"]).backward()
    assert run.positions == 0  # the language model takes no part
    trained = {name for name, weight in head.named_parameters() if weight.grad is not None}
    assert trained == set(head.trained()) == {"project_image.1.weight", "project_image.1.bias"}


def test_an_export_holds_no_sentence_encoder_and_refuses_another(
    tiny_language, tiny_vision, encoder, tmp_path
):
    model = model_with(tiny_language, tiny_vision, SentenceSpace(str(encoder), hidden=3)).eval()
    expected = (
        model.embed_texts(model.processor(), TEXTS),
        model.embed_images(model.processor(), [Painted("red")]),
    )
    model.save_pretrained(tmp_path / "export")
    assert not any(
        "encoder." in name for name in load_file(tmp_path / "export/model.safetensors") if "heads" in name
    )
    loaded = FrozenVL.from_pretrained(tmp_path / "export")
    found = (
        loaded.embed_texts(loaded.processor(), TEXTS),
        loaded.embed_images(loaded.processor(), [Painted("red")]),
    )
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    other = sentence_encoder(tmp_path / "other", seed=1)
    file = tmp_path / "export/config.json"
    file.write_text(file.read_text().replace(str(encoder), str(other)))
    with pytest.raises(UserError, match="sentence_encoder"):
        FrozenVL.from_pretrained(tmp_path / "export")


def test_text_vectors_are_computed_once(tiny_language, tiny_vision, encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path))
    model = model_with(tiny_language, tiny_vision, SentenceSpace(str(encoder), text="query: {text}")).eval()
    processor, head = model.processor(), model.heads["s"]
    expected = model.embed_texts(processor, TEXTS)
    calls = []
    head.encoder.register_forward_hook(lambda *_: calls.append(1))
    head.text_states = cached_texts(model, head, processor, TEXTS)
    assert calls == [1]
    assert torch.allclose(model.embed_texts(processor, TEXTS), expected, atol=1e-6) and calls == [1]
    assert torch.allclose(expected, head.encode([f"query: {text}" for text in TEXTS]), atol=1e-6)


def test_many_texts_keep_their_order(encoder):
    head = SentenceSpace(str(encoder))
    texts = [" ".join(["red", "dog", "two", "a"][i % 4] for _ in range(1 + i % 5)) for i in range(150)]
    together, alone = head.encode(texts), torch.cat([head.encode([text]) for text in texts])
    assert torch.allclose(together, alone, atol=1e-5) and head.encode([]).shape == (0, 12)


def test_the_fingerprint_does_not_depend_on_a_pooler_that_is_not_read(encoder, tmp_path):
    other = sentence_encoder(tmp_path / "other", pooler=True)
    one, two = SentenceSpace(str(encoder)), SentenceSpace(str(other))
    assert not any("pooler" in name for name in two.state_dict())
    assert one.fingerprint == SentenceSpace(str(encoder)).fingerprint
    weights = load_file(other / "model.safetensors")
    weights = {
        name: torch.zeros_like(value) if "pooler" in name else value for name, value in weights.items()
    }
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    assert SentenceSpace(str(other)).fingerprint == two.fingerprint


def test_bad_settings_and_files_are_refused(encoder, tmp_path):
    with pytest.raises(UserError, match="hidden is 0"):
        SentenceSpace(str(encoder), hidden=0)
    with pytest.raises(UserError, match=r"contain \{text\} once"):
        SentenceSpace(str(encoder), text="query")
    with pytest.raises(UserError, match="no such folder"):
        SentenceSpace(str(tmp_path / "nowhere"))
    folder = sentence_encoder(tmp_path / "incomplete")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.0.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks encoder.layer.0.output.dense.weight"):
        SentenceSpace(str(folder))


def asked(encoder: Path) -> tuple[str, ...]:
    head = {"class_path": "frozenvl.model.heads.SentenceSpace", "init_args": {"name": str(encoder)}}
    objectives = {
        "captions": {"class_path": "frozenvl.objectives.Captioning"},
        "nce": {"class_path": "frozenvl.objectives.Contrastive"},
        "labels": {
            "class_path": "frozenvl.objectives.LabelMatching",
            "init_args": {"labels": ["red", "blue", "yes", "no"]},
        },
    }
    return "--model.heads", json.dumps({"s": head}), "--model.objectives", json.dumps(objectives)


def test_a_run_trains_it_and_its_checkpoint_holds_no_encoder(drilled, encoder):
    assert (
        drilled("fit", *asked(encoder), "--trainer.max_steps", 2, "--trainer.limit_val_batches", 1, name="s")
        == 0
    )
    state = torch.load("runs/s/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert {n for n in state if ".heads." in n} == {
        f"model.heads.s.project_image.1.{n}" for n in ("weight", "bias")
    }
    assert drilled("plan", *asked(encoder)) == 0


def test_a_checkpoint_with_another_sentence_encoder_is_refused(drilled, encoder, tmp_path, capfd):
    assert (
        drilled(
            "fit", *asked(encoder), "--trainer.max_steps", 1, "--trainer.limit_val_batches", 0, name="one"
        )
        == 0
    )
    capfd.readouterr()
    other = asked(sentence_encoder(tmp_path / "other", seed=1))
    checkpoint = Path("runs/one/checkpoints/last.ckpt").absolute()
    assert drilled("fit", *other, "--init_from", checkpoint, name="two") == 2
    assert "heads.s.sentence_encoder" in one_line(capfd.readouterr().err)
