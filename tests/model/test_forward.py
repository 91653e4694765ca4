"""Forward pass of a batch: each stage is computed once."""

from dataclasses import replace

import pytest
import torch
from losses import loss_of
from samples import SAMPLES

from frozenvl.model import forward, generation
from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.prefix_tree import PrefixTree
from frozenvl.model.tuning import Finetuned, LoRA, PromptTuning
from frozenvl.util.errors import RunError


def test_a_pass_in_chunks_gives_the_same_loss_and_scores(build, processor_of, monkeypatch):
    model = build()
    batch = processor_of(model)(SAMPLES)
    whole, scores = loss_of(model, batch).nll, model.score(batch)
    for module in (forward, generation):
        monkeypatch.setattr(module, "MAX_POSITIONS_PER_PASS", 20)
    assert len(list(batch.chunks(20))) > 2
    torch.testing.assert_close(loss_of(model, batch).nll, whole, rtol=1e-5, atol=0)
    torch.testing.assert_close(model.score(batch), scores, rtol=1e-5, atol=0)


def counted(monkeypatch, owner, name: str) -> list[int]:
    """Records the number of rows in each call of a method."""
    method, calls = getattr(owner, name), []
    monkeypatch.setattr(owner, name, lambda x, *rest: calls.append(len(x)) or method(x, *rest))
    return calls


def test_each_stage_is_computed_once_at_its_first_use(build, processor_of, monkeypatch):
    model = build()
    batch = processor_of(model)(SAMPLES)
    encoded, mapped, read = (counted(monkeypatch, model, name) for name in ("features", "map", "hidden"))
    run = model.run(batch)
    assert not encoded and not mapped and not read
    assert run.features is run.features and encoded == [3] and not mapped
    assert run.prefix is run.prefix and (encoded, mapped) == ([3], [3]) and not read
    for _ in range(2):
        nll = torch.cat([nll for _, nll in run.nll()])
        states = [hidden for _, hidden in run.hidden()]
    assert (encoded, mapped, read) == ([3], [3], [len(SAMPLES)])
    assert len(nll) == int((batch.labels != IGNORE).sum())
    assert sum(map(len, states)) == int(batch.lengths.sum()) == run.positions + batch.tree.saved
    assert run.targets == 2 * len(nll) and run.padding == 0


def test_texts_of_an_image_share_its_prefix_and_losses_stay_what_they_are(build, processor_of, monkeypatch):
    model = build().double()
    samples = [replace(SAMPLES[0], target=f" {text}") for text in ("red", "red circle", "blue", "a")]
    batch, outcomes = processor_of(model)(samples), []
    for shared in (True, False):
        if not shared:
            monkeypatch.setattr(Batch, "tree", PrefixTree((0, 1, 2, 3), (0, 0, 0, 0)))
        run = model.run(batch)
        nll = torch.cat([nll for _, nll in run.nll()])
        model.zero_grad()
        (nll * torch.arange(1, 1 + len(nll))).sum().backward()
        gradient = torch.cat([weight.grad.flatten() for weight in model.mapper.parameters()])
        outcomes.append((run.positions, nll.detach(), gradient))
    (few, nll, gradient), (all_positions, expected, expected_gradient) = outcomes
    assert all_positions == int(batch.lengths.sum()) >= few + 3 * model.k
    torch.testing.assert_close(nll, expected, rtol=1e-10, atol=1e-10)
    # transformers' RMSNorm computes in fp32: the gradients of copies are rounded before their sum, or after it.
    assert (gradient - expected_gradient).abs().max() < 1e-6 * expected_gradient.abs().max()


def test_padding_is_counted_if_sequences_are_padded(build, processor_of):
    model = build("bloom")
    batch = processor_of(model)(SAMPLES)
    run = model.run(batch)
    list(run.hidden())
    assert run.padding == batch.tokens.numel() - run.positions > 0


def test_hidden_states_are_kept_only_for_several_objectives(build, processor_of, monkeypatch):
    model = build()
    batch = processor_of(model)(SAMPLES)
    read = counted(monkeypatch, model, "hidden")
    with torch.no_grad():
        for rows_of, times in (({}, 2), ({"a": (0, 1), "b": (2, 3, 4)}, 1)):
            run = model.run(replace(batch, rows_of=rows_of))
            for _ in range(2):
                list(run.hidden())
            assert len(read) == times
            read.clear()


def test_a_batch_of_prefix_vectors_has_no_features(build, processor_of):
    model = build()
    batch = processor_of(model)(SAMPLES)
    prefix = model.run(batch).prefix.detach()
    run = model.run(replace(batch, images=prefix, stage="prefixes"))
    assert run.prefix is prefix
    with pytest.raises(ValueError, match="prefix vectors have no features"):
        len(run.features)


@pytest.mark.parametrize("positions", [4096, 20])
def test_an_objective_gets_only_its_rows_in_its_order(build, processor_of, monkeypatch, positions):
    monkeypatch.setattr(forward, "MAX_POSITIONS_PER_PASS", positions)
    model = build()
    processor = processor_of(model)
    rows_of = {"all": tuple(range(5)), "some": (3, 0), "none": ()}
    batch = replace(processor(SAMPLES), rows_of=rows_of)
    run = model.run(batch)
    assert run.of("all") is run and run.of("not named") is run
    some = run.of("some")
    assert some.features is run.features and some.prefix is run.prefix
    assert some.batch.ids == ("two images", "caption")
    alone = {sample.id: loss_of(model, processor([sample])).nll for sample in SAMPLES}
    found: dict[str, torch.Tensor] = {}
    for chunk, nll in some.nll():
        ends = (chunk.labels[chunk.real()] != IGNORE).cumsum(0)[chunk.lengths.cumsum(0) - 1].tolist()
        for place, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            found[some.batch.ids[int(chunk.index[place])]] = nll[start:end].sum()
    assert found.keys() == {"two images", "caption"}
    for name, nll in found.items():
        torch.testing.assert_close(nll, alone[name], rtol=1e-5, atol=0)
    assert list(run.of("none").hidden()) == [] and len(run.of("none").batch) == 0
    assert run.targets == int((some.batch.labels != IGNORE).sum())  # targets of the whole pass


@pytest.mark.parametrize(
    ("tuning", "trainable"),
    [(None, False), (None, True), (LoRA, False), (PromptTuning, False), (Finetuned, True)],
)
@pytest.mark.parametrize("met", [False, True])
def test_reach_gives_every_trained_parameter_a_zero_gradient(build, processor_of, tuning, trainable, met):
    model = build(trainable=trainable, tuning=tuning and tuning()).train()
    run = model.run(processor_of(model)(SAMPLES))
    targets = sum((nll.sum() for _, nll in run.nll()), torch.zeros(())) if met else torch.zeros(())
    reach = run.reach()
    assert reach == 0
    (reach + 0.0 * targets).backward()
    for name, weight in model.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, name
        assert weight.grad is None or not weight.grad.any(), name


def test_features_that_are_no_numbers_name_the_samples_that_show_them(build, processor_of, monkeypatch):
    model = build()
    batch = processor_of(model)(SAMPLES)
    seen = [[int(image) for image in row.unique() if image >= 0] for row in batch.image_of]
    bad = [sample.id for sample, images in zip(SAMPLES, seen, strict=True) if 1 in images]
    assert 0 < len(bad) < len(SAMPLES)
    features = model.features

    def spoilt(images, stage):
        found = features(images, stage).clone()
        found[1, 0, 0] = float("inf")
        return found

    model.run(batch).check_features()  # not computed yet
    fine = model.run(batch)
    list(fine.nll())
    fine.check_features()
    monkeypatch.setattr(model, "features", spoilt)
    run = model.run(batch)
    list(run.nll())
    with pytest.raises(RunError) as error:
        run.check_features()
    assert f"no finite numbers (NaN or infinity), samples {', '.join(bad)}; look at" in str(error.value)
    for use in (
        lambda: model.generate(batch, processor_of(model), 2),
        lambda: model.rank_candidates(
            processor_of(model), [s.prompt for s in SAMPLES], [[" a"]] * len(SAMPLES)
        ),
    ):
        with pytest.raises(RunError, match="no finite numbers"):
            use()


def test_states_of_layers_are_those_of_transformers(build, processor_of):
    model = build()
    batch = processor_of(model)([SAMPLES[0]])
    with torch.no_grad():
        run = model.run(batch)
        inputs = model.embeddings(batch, run.prefix)
        out = model.language.model.model(inputs_embeds=inputs, output_hidden_states=True)
        ((_, found),) = run.states((0, 1, -1))
    for place, layer in enumerate((0, 1, -1)):
        assert torch.allclose(found[:, place], out.hidden_states[layer][0], atol=1e-5)
    ((_, last),) = run.states((-1,))
    assert torch.equal(last[:, 0], found[:, 2]) or torch.allclose(last[:, 0], found[:, 2], atol=1e-6)


def test_two_passes_with_one_seed_have_the_same_dropout_in_any_order(build, processor_of):
    model = build()
    model.mapper.net = torch.nn.Sequential(model.mapper.net, torch.nn.Dropout(0.5)).train()
    batch = processor_of(model)(SAMPLES)
    first, again, other = model.run(batch, seed=1), model.run(batch, seed=1), model.run(batch, seed=2)
    torch.rand(3)
    prefix = first.prefix
    again.features  # noqa: B018 - another stage first
    torch.rand(5)
    assert torch.equal(again.prefix, prefix) and not torch.equal(other.prefix, prefix)
    before = torch.get_rng_state()
    model.run(batch, seed=3).prefix  # noqa: B018
    assert torch.equal(torch.get_rng_state(), before)


def test_other_rows_over_the_same_images_share_their_stages(build, processor_of, monkeypatch):
    model = build()
    batch = processor_of(model)(SAMPLES)
    encoded, mapped = (counted(monkeypatch, model, name) for name in ("features", "map"))
    run = model.run(batch)
    part = run.on(batch.select(torch.tensor([1, 0])))
    assert part.prefix is run.prefix and len(encoded) == len(mapped) == 1
    nll = [chunk_nll.sum() for chunk_nll in (nll for _, nll in part.nll())]
    assert run.targets == int((batch.labels[:2] != IGNORE).sum()) and run.positions and nll


def test_rows_without_an_image_do_not_run_the_mapper(build, processor_of, monkeypatch):
    model = build()
    batch = processor_of(model)(SAMPLES)
    mapped = counted(monkeypatch, model, "map")
    texts = processor_of(model)([("two stars",)])
    list(model.run(batch).on(replace(texts, images=batch.images)).hidden())
    assert not mapped
