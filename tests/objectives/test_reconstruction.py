"""The reconstruction objective: its formula, one loss and gradient however a step is divided, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from divided_steps import CUTS, PAIRS, PLAIN, Whole, check_divided, started, validated, whole_step
from painted import Painted

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import Concat
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.vision import TimmEncoder
from frozenvl.objectives import Captioning, Objective, Reconstruction
from frozenvl.objectives.objective import count_rows, in_use, micro_loss
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

RED, BLUE, GREEN = Painted("red"), Painted("blue", (32, 32)), Painted("green", (60, 20))
SAMPLES = [
    Sample("1", (RED,), " a large red circle"),
    Sample("2", (BLUE, "Question: what color is it? Answer:"), " blue"),
    Sample("3", (RED, "a\n", GREEN, "This"), " is a dax."),
    Sample("4", (RED,), " red"),
    Sample("5", ("How many",), " squares"),
]
SEEN = [(0, RED), (1, BLUE), (2, RED), (2, GREEN), (3, RED)]
"""Row and image of each place."""


def model_with(
    language: Path,
    vision: Path,
    objectives: dict[str, Objective],
    k: int = 2,
    grid: int = 1,
    trainable: bool = False,
) -> FrozenVL:
    torch.manual_seed(3)
    encoder = TimmEncoder(str(vision), grid=grid, trainable=trainable)
    return FrozenVL(FrozenLanguageModel(str(language)), encoder, Linear, k, objectives=objectives)


def places_of(model: FrozenVL, layer: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Returns states (k, dim) and features (tokens, channels) of each place, row by row by transformers alone."""
    processor, states, features = model.processor(), [], []
    for row, image in SEEN:
        batch = processor([SAMPLES[row]])
        vectors = model.map(model.features(batch.images, "pixels"))
        inputs = model.embeddings(batch, vectors)
        with torch.no_grad():
            out = model.language.model(inputs_embeds=inputs, output_hidden_states=True)
        own = batch.image_keys.index(image.key)
        at = [
            place
            for place, slot in enumerate(batch.slots[0].tolist())
            if slot >= 0 and slot // model.k == own
        ]
        states.append(out.hidden_states[layer][0, at].double())
        features.append(model.features(processor([(image,)]).images, "pixels")[0].double())
    return states, features


@pytest.mark.parametrize(
    ("distance", "layer", "grid", "k", "hidden"),
    [("l2", -1, 1, 2, None), ("cosine", -1, 2, 3, None), ("l2", 1, 2, 4, None), ("cosine", 0, 1, 1, 5)],
)
def test_the_loss_is_the_mean_over_images_of_their_mean_distance(
    tiny_language, tiny_vision, distance, layer, grid, k, hidden
):
    objective = Reconstruction(distance, layer, hidden)
    model = model_with(tiny_language, tiny_vision, {"r": objective}, k, grid).eval()
    weights = {name: weight.double() for name, weight in objective.state_dict().items()}
    errors: dict[str, list[float]] = {}
    for (_, image), states, features in zip(SEEN, *places_of(model, layer), strict=True):
        states = (states - states.mean(1, keepdim=True)) / (
            states.var(1, unbiased=False, keepdim=True) + 1e-5
        ).sqrt()
        read = states if len(features) == k else states.reshape(1, -1)
        if hidden:
            read = torch.nn.functional.gelu(read @ weights["map.0.weight"].T + weights["map.0.bias"])
        last = "map.2" if hidden else "map"
        made = (read @ weights[f"{last}.weight"].T + weights[f"{last}.bias"]).reshape(features.shape)
        if distance == "l2":
            error = ((made - features) ** 2).sum() / features.numel()
        else:
            cosine = (made * features).sum(1) / (made.norm(dim=1) * features.norm(dim=1))
            error = (1 - cosine).sum() / len(features)
        errors.setdefault(image.key, []).append(error.item())
    expected = sum(sum(each) / len(each) for each in errors.values())

    batch = ObjectiveRows(model.processor(), {"r": objective})(SAMPLES)
    assert objective.count(batch) == 3
    with torch.no_grad():
        assert objective.total(model.run(batch).of("r")).item() == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("trainable", [False, True])
def test_the_gradient_reaches_the_mapper_and_never_the_target(tiny_language, tiny_vision, trainable):
    """A trained encoder gets a gradient through the language model alone: not through the features as a target."""
    objective = Reconstruction()
    model = model_with(tiny_language, tiny_vision, {"r": objective}, trainable=trainable).eval()
    batch = model.processor()(SAMPLES)
    objective.total(model.run(batch)).backward()
    assert model.mapper.out.weight.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in model.language.parameters())
    found = {n: p.grad.clone() for n, p in model.vision.named_parameters() if p.grad is not None}
    assert bool(found) == trainable
    model.zero_grad()
    run, constant = model.run(batch), model.run(batch).features.detach()
    total = torch.zeros(())
    for chunk, states in run.states((-1,)):
        at = chunk.slots[chunk.real()]
        image = at[at >= 0][::2] // 2
        made = objective.map(objective.norm(states[at >= 0][:, 0]).reshape(len(image), -1))
        share = torch.tensor([1 / 3, 1.0, 1.0])  # red has three places
        total = total + ((made - constant[image].flatten(1)).pow(2).mean(1) * share[image]).sum()
    total.backward()
    for name, weight in model.vision.named_parameters():
        if name in found:
            assert torch.allclose(weight.grad, found[name], rtol=1e-4, atol=1e-6), name


def test_beside_captions_the_language_model_runs_once(tiny_language, tiny_vision):
    for layer, runs in ((-1, 1), (1, 2)):
        objectives = {"captions": Captioning(), "r": Reconstruction(layer=layer)}
        model = model_with(tiny_language, tiny_vision, objectives)
        batch = ObjectiveRows(model.processor(), objectives)(SAMPLES)
        run = model.run(batch)
        micro_loss(objectives, run, count_rows(objectives, [batch])).value.backward()
        assert run.positions == runs * (int(batch.lengths.sum()) - batch.tree.saved)


def test_rows_without_images_have_no_loss(tiny_language, tiny_vision):
    objective = Reconstruction()
    model = model_with(tiny_language, tiny_vision, {"r": objective})
    batch = model.processor()(SAMPLES[4:])
    assert objective.count(batch) == 0 and objective.total(model.run(batch)) == 0


def test_a_weight_of_zero_skips_it():
    assert in_use({"captions": Captioning(), "r": Reconstruction(weight=0.0)}).keys() == {"captions"}


class Nowhere(Concat):
    """Fusion whose images have no positions."""

    def places(self, k: int) -> int:
        return 0


def test_what_it_cannot_read_is_refused(tiny_language, tiny_vision):
    language, encoder = FrozenLanguageModel(str(tiny_language)), TimmEncoder(str(tiny_vision))
    with pytest.raises(UserError, match="Nowhere does not have 2 of them; use Concat"):
        FrozenVL(language, encoder, Linear, 2, fusion=Nowhere(), objectives={"r": Reconstruction()})
    with pytest.raises(UserError, match=r"layer 3, but .* has 2; name 0"):
        FrozenVL(language, encoder, Linear, 2, objectives={"r": Reconstruction(layer=3)})
    with pytest.raises(UserError, match="hidden is 0"):
        Reconstruction(hidden=0)
    with pytest.raises(UserError, match="distance is 'l1'"):
        Reconstruction("l1")
    model = model_with(tiny_language, tiny_vision, {"r": Reconstruction()})
    batch = model.processor()(SAMPLES[:1])
    vectors = model.vectors(batch.images, "pixels")
    with pytest.raises(UserError, match="prefix vectors alone"):
        model.objectives["r"].total(
            model.run(type(batch)(**vars(batch) | {"images": vectors, "stage": "prefixes"}))
        )


CLASS = "frozenvl.objectives.Reconstruction"
OBJECTIVES = {
    "captions": {"class_path": "frozenvl.objectives.Captioning"},
    "l2": {"class_path": "frozenvl.objectives.Reconstruction", "init_args": {"weight": 0.5}},
    "cos": {
        "class_path": "frozenvl.objectives.Reconstruction",
        "init_args": {"distance": "cosine", "layer": 1, "hidden": 6},
    },
    "off": {"class_path": "frozenvl.objectives.Reconstruction", "init_args": {"weight": 0.0}},
}
ASKED = ("--model.objectives", json.dumps(OBJECTIVES))


@pytest.fixture(scope="module")
def start(drilled) -> Path:
    """Checkpoint of a run with two reconstructions beside captions."""
    return started(drilled, ASKED)


@pytest.fixture(scope="module")
def whole(start) -> Whole:
    """First global batch in one pass, without a preparation."""
    made = whole_step(start)
    assert "off" not in made.losses
    assert (
        made.counts["l2"] == made.counts["cos"] == len(set(made.batch.image_keys)) < PAIRS
    )  # some stand twice
    return made


@pytest.mark.parametrize(("ranks", "accumulate"), CUTS)
def test_one_loss_and_gradient_however_a_step_is_divided(drilled, start, whole, ranks, accumulate):
    row, _ = check_divided(drilled, ASKED, start, whole, ranks, accumulate)
    assert {"model.objectives.l2.map.weight", "model.objectives.cos.map.0.weight"} <= whole.gradients.keys()
    assert "train/off" not in row
    total = whole.losses["captions"] + 0.5 * whole.losses["l2"] + whole.losses["cos"]
    assert row["train/loss"] == pytest.approx(total, rel=1e-6)


def test_a_validation_logs_the_loss(drilled, start):
    scores = validated(drilled, ASKED, start)
    assert scores["l2"] > 0 and 0 < scores["cos"] < 2


def test_a_run_can_be_planned(drilled, capfd):
    assert drilled("plan", *PLAIN, *ASKED) == 0
    assert capfd.readouterr().out.startswith("tiny: ")
