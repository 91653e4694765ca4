"""The label objective: formulas in fp64, labels of targets, one gradient however a step is divided, and errors."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from divided_steps import CUTS, PAIRS, PLAIN, Whole, check_divided, started, validated, whole_step
from painted import Painted
from retrieval_models import retrieval_model
from running import one_line

from frozenvl.objectives import LabelMatching
from frozenvl.objectives.label_matching import checked, words_of
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError
from frozenvl.wording import LABEL_TEMPLATES

LABELS = ["red", "blue", "Traffic light", "dog"]
SAMPLES = [
    Sample("1", (Painted("red"),), " Red."),
    Sample("2", (Painted("blue", (32, 32)), "Question: what? Answer:"), " traffic light"),
    Sample("3", (Painted("green", (60, 20)),), " a red dog near a traffic  light"),
    Sample("4", ("no image",), " red"),
]


def vectors(rows: int, dim: int = 4, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=random, dtype=torch.float64), dim=1)


def test_one_label_is_a_cross_entropy_over_all_labels():
    images, labels, own = vectors(5), vectors(3, seed=1), [2, 0, 0, 1, 2]
    expected = 0.0
    for image, number in zip(images, own, strict=True):
        similar = [(image @ label / 0.07).exp() for label in labels]
        expected -= float((similar[number] / sum(similar)).log())
    found = LabelMatching(labels=LABELS[:3]).double()._sum(images, labels, [[number] for number in own])
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_several_labels_are_decided_one_by_one():
    images, labels, own = vectors(3), vectors(4, seed=1), [[0, 3], [], [2]]
    expected = sum(
        float(torch.nn.functional.softplus(-(1 if j in own[i] else -1) * (10 * images[i] @ labels[j] - 2)))
        for i in range(3)
        for j in range(4)
    )
    found = LabelMatching(labels=LABELS, multi=True, bias=-2.0).double()._sum(images, labels, own)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_labels_of_a_target():
    one, many = LabelMatching(labels=LABELS), LabelMatching(labels=LABELS, multi=True)
    assert [one.labels_of(text) for text in (" Red.", "TRAFFIC light", "a red dog", "")] == [[0], [2], [], []]
    assert many.labels_of("A dog, red; a traffic light") == [0, 2, 3]
    assert many.labels_of("redder dogs at a light in traffic") == []
    assert words_of(" A man's  T-shirt, no. 7!") == "a man's t-shirt no 7"


@pytest.mark.parametrize(("multi", "used"), [(False, [0, 1]), (True, [0, 1, 2])])
def test_samples_without_a_label_are_left_out(tiny_language, tiny_vision, multi, used):
    objective = LabelMatching(labels=LABELS, multi=multi)
    model = retrieval_model(tiny_language, tiny_vision, {"l": objective})
    batch = ObjectiveRows(model.processor(), {"l": objective})(SAMPLES).of("l")
    assert objective.count(batch) == len(used)
    assert batch.ids[:28] == tuple(objective.texts())  # 4 labels in 7 wordings
    assert batch.ids[28::2] == batch.ids[29::2] == tuple(SAMPLES[place].id for place in used)
    batch = ObjectiveRows(model.processor(), {"l": objective})(SAMPLES[3:])
    assert objective.count(batch.of("l")) == 0 and objective.total(model.run(batch).of("l")) == 0


@pytest.mark.parametrize(
    ("pool", "images", "multi"),
    [("marker", "features", False), ("marker", "prompt", True), ("mean", "features", True)],
)
def test_the_loss_of_a_model_is_that_of_its_embeddings(tiny_language, tiny_vision, pool, images, multi):
    objective = LabelMatching(labels=LABELS, templates=("{label}", "a photo of a {label}"), multi=multi)
    model = retrieval_model(tiny_language, tiny_vision, {"l": objective}, pool=pool, images=images)
    processor = model.processor()
    used = SAMPLES[:3] if multi else SAMPLES[:2]
    seen = model.embed_images(processor, [sample.images[-1] for sample in used]).double()
    means = []
    for label in LABELS:
        worded = model.embed_texts(processor, [label, f"a photo of a {label}"]).double()
        means.append(torch.nn.functional.normalize(worded.sum(0), dim=0))
    numbers = [objective.labels_of(sample.target) for sample in used]
    expected = objective._sum(seen, torch.stack(means), numbers)
    batch = ObjectiveRows(processor, {"l": objective})(SAMPLES)
    total = objective.total(model.run(batch).of("l"))
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    total.backward()
    head = model.heads["r"]
    assert head.project_text.linear.weight.grad.any() and head.project_image.linear.weight.grad.any()
    assert objective.log_scale.grad.any() and (not multi or objective.bias.grad.any())


def test_the_wordings_of_labels_can_be_cached(tiny_language, tiny_vision):
    """The language model reads no label if the head knows its states."""
    objective = LabelMatching(labels=LABELS, templates=["a {label}"])
    model = retrieval_model(tiny_language, tiny_vision, {"l": objective}, pool="mean")
    batch = ObjectiveRows(model.processor(), {"l": objective})(SAMPLES)
    run, head = model.run(batch), model.head()
    assert objective.texts() == ["a red", "a blue", "a Traffic light", "a dog"]
    expected = objective.total(run.of("l")).item()
    assert run.positions > 0
    states = head.states_of(model.run(model.processor()([(text,) for text in objective.texts()]))).detach()
    known = dict(zip(objective.texts(), states, strict=True))
    head.text_states = lambda texts: torch.stack([known[text] for text in texts])
    run = model.run(batch)
    total = objective.total(run.of("l"))
    assert run.positions == 0 and total.item() == pytest.approx(expected, rel=1e-5)
    total.backward()
    assert head.project_text.linear.weight.grad.any()


def test_the_temperature_is_clamped(tiny_language, tiny_vision):
    objective = LabelMatching(labels=LABELS)
    model = retrieval_model(tiny_language, tiny_vision, {"l": objective})
    torch.nn.init.constant_(objective.log_scale, 9.0)
    batch = ObjectiveRows(model.processor(), {"l": objective})(SAMPLES)
    objective.total(model.run(batch).of("l")).backward()
    assert objective.log_scale.exp().item() == pytest.approx(100) and objective.log_scale.grad.isfinite()


class Targets:
    """Source with one target text for each example."""

    def __init__(self, *targets: str) -> None:
        self.targets, self.pairs = targets, len(targets)

    def pair(self, pair: int) -> tuple[int, int]:
        return pair, 0

    def __getitem__(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(targets=self.targets[index : index + 1])


def tasks(*targets: str) -> dict[str, Any]:
    return {"t": SimpleNamespace(source=Targets(*targets), template=SimpleNamespace(target=" {target}."))}


def test_targets_without_any_label_are_refused():
    LabelMatching(labels=LABELS).bind(tasks("a cat", "Dog"))
    with pytest.raises(UserError, match=r"none of the targets .* the 4 labels: none equals one; set multi"):
        LabelMatching(labels=LABELS).bind(tasks("a cat", "a dog"))
    with pytest.raises(UserError, match="contains one as a word"):
        LabelMatching(labels=LABELS, multi=True).bind(tasks("a cat"))


def test_labels_from_a_file(tmp_path):
    path = tmp_path / "labels.txt"
    made = LabelMatching(labels_file=str(path))  # as an exported model does, whose file is elsewhere
    with pytest.raises(UserError, match="cannot be read"):
        made.bind(tasks("dog"))
    path.write_text("dog\ncat\n")
    assert made.labels == ["dog", "cat"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "f: 0 labels.*give 2 or more"),
        (["dog"], "f: 1 labels"),
        (["dog", "cat", " Dog!"], "f: labels 1 and 3 are both 'dog'; delete"),
        (["dog", "", "cat"], "f: label 2 is '', without a word; delete"),
    ],
)
def test_bad_lists_of_labels_are_refused(labels, message):
    with pytest.raises(UserError, match=message):
        checked(labels, "f")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either labels or labels_file"),
        ({"labels": LABELS, "labels_file": "x"}, "either labels or labels_file"),
        ({"labels": LABELS, "templates": []}, "templates is empty"),
        ({"labels": LABELS, "templates": ["a photo"]}, "'a photo' has to contain {label} once"),
        ({"labels": LABELS, "temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        LabelMatching(**options)


HEADS = {
    "r": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 8}},
    "m": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 6, "pool": "mean"}},
}
WORDS = ["red", "blue", "green", "yellow", "circle", "square", "yes", "no"]
CLASS = "frozenvl.objectives.LabelMatching"
OBJECTIVES = {
    "captions": {"class_path": "frozenvl.objectives.Captioning"},
    "one": {"class_path": CLASS, "init_args": {"head": "r", "labels": WORDS, "weight": 0.5}},
    "many": {"class_path": CLASS, "init_args": {"head": "m", "labels": WORDS, "multi": True}},
}
ASKED = ("--model.heads", json.dumps(HEADS), "--model.objectives", json.dumps(OBJECTIVES))


@pytest.fixture(scope="module")
def start(drilled) -> Path:
    """Checkpoint of a run with two label objectives beside captions."""
    return started(drilled, ASKED)


@pytest.fixture(scope="module")
def whole(start) -> Whole:
    """First global batch in one pass."""
    made = whole_step(start)
    assert 0 < made.counts["one"] < PAIRS == made.counts["many"]
    return made


@pytest.mark.parametrize(("ranks", "accumulate"), CUTS)
def test_one_loss_and_gradient_however_a_step_is_divided(drilled, start, whole, ranks, accumulate):
    _, gradients = check_divided(drilled, ASKED, start, whole, ranks, accumulate)
    trained = {"model.heads.r.vector", "model.objectives.one.log_scale", "model.objectives.many.bias"}
    assert gradients.keys() == whole.gradients.keys() >= trained


def test_a_run_caches_the_states_of_labels_beside_those_of_targets(drilled, start, monkeypatch):
    read: dict[int, list[str]] = {}

    def cached(model, head, processor, texts, **ranks):
        read[head.dim] = list(texts)

    monkeypatch.setattr("frozenvl.training.inputs.cached_texts", cached)
    assert drilled("fit", *PLAIN, *ASKED, name="cached") == 0
    assert read.keys() == {6} and read[6][-7:] == [
        template.replace("{label}", "no") for template in LABEL_TEMPLATES["photo"]
    ]
    assert len(read[6]) > 7 * len(WORDS)


def test_a_validation_logs_the_loss_of_labelled_images(drilled, start):
    scores = validated(drilled, ASKED, start)
    assert scores["one"] > 0 and scores["many"] > 0


def test_labels_that_no_target_has_are_one_error_line(drilled, capfd):
    one = {"class_path": CLASS, "init_args": {"head": "r", "labels": ["zebra", "giraffe"]}}
    asked = ("--model.heads", json.dumps(HEADS), "--model.objectives", json.dumps({"one": one}))
    assert drilled("fit", *PLAIN, *asked, name="none") == 2
    assert "none of the targets in data.train has one of the 2 labels" in one_line(capfd.readouterr().err)
