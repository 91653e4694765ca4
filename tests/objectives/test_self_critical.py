"""Self-critical training: loss and gradient, however a step is divided; samples, baselines and end tokens."""

from __future__ import annotations

import copy
import json
import re
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from painted import Painted
from running import add, history, one_line

from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.metrics.cider_reward import CiderReward
from frozenvl.model.batch import IGNORE
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.sampling import token_at
from frozenvl.model.mappers import MLP
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision import TimmEncoder
from frozenvl.objectives import SelfCritical
from frozenvl.objectives.objective import count_rows, micro_loss
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.objectives.self_critical import example_of, references_of, with_targets
from frozenvl.objectives.step import Step, loss_of_step, pass_seed, prepare_step
from frozenvl.prompt import Example, Sample
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

pytest.importorskip("sacrebleu")  # its characters are words that untrained models sample, too

COLOURS = ("red", "green", "blue", "yellow", "black", "white")
LIMIT = 7
NUMBER, SEED = 3, 11


class Colours(Source):
    """Images of one colour with a few captions each."""

    targets_per_example = 2

    def __len__(self) -> int:
        return len(COLOURS)

    def __getitem__(self, index: int) -> Example:
        colour = COLOURS[index]
        texts = (f"a large {colour} circle", f"the {colour} stars to the left of it")
        return Example(colour, Painted(colour), colour, texts)


TASKS = {"captions": Task(Colours())}
SAMPLES = [TASKS["captions"].sample(pair) for pair in (0, 2, 5, 7, 8, 10)]


def made(baseline: str = "leave_one_out", samples: int = 3, **options) -> SelfCritical:
    objective = SelfCritical(samples, baseline, LIMIT, "char", **options)
    objective.bind(TASKS)
    return objective


@pytest.fixture(scope="module")
def shared(tiny_language, tiny_vision) -> FrozenVL:
    torch.manual_seed(1)
    vision = TimmEncoder(str(tiny_vision), grid=1)
    model = FrozenVL(
        FrozenLanguageModel(str(tiny_language)), vision, partial(MLP, hidden=16, dropout=0.5), 2, bos=False
    ).double()
    # So many tokens end a text that some samples end, and others reach the limit.
    model.language.end_tokens = frozenset(range(0, 300, 8))
    return model.eval()


@pytest.fixture
def model(shared) -> FrozenVL:
    shared.zero_grad()
    return shared.eval()


class Pass:
    """Optimiser step of samples in micro-batches, on each of several ranks in turn.

    Args:
        cut: samples of each micro-batch of each rank.
    """

    def __init__(self, model: FrozenVL, objective: SelfCritical, *cut: list[list[Sample]]) -> None:
        self.model, self.processor = model, model.processor()
        objectives = {"scst": objective}
        rows = ObjectiveRows(self.processor, objectives)
        self.batches = [[rows(samples) for samples in micro] for micro in cut]
        where = {"number": NUMBER, "seed": SEED, "world_size": len(cut)}
        self.prepared = [
            prepare_step(objectives, model, self.processor, batches, rank=rank, **where)["scst"]
            for rank, batches in enumerate(self.batches)
        ]
        counts = {"scst": sum(prepared.count for prepared in self.prepared)}
        self.loss, self.total = torch.zeros(()), 0.0
        for rank, (batches, prepared) in enumerate(zip(self.batches, self.prepared, strict=True)):
            for place, (batch, micro) in enumerate(zip(batches, prepared.micro, strict=True)):
                seed = pass_seed(SEED, NUMBER, place, rank)
                run = model.run(batch, seed=seed, prepared={"scst": micro})
                loss = micro_loss(objectives, run, counts)
                loss.value.backward()
                self.loss = self.loss + loss.value.detach()
        self.count = counts["scst"]
        self.gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def alone(
    model: FrozenVL, step: Step, sample: Sample, place: int, temperature: float = 1.0
) -> tuple[list[int], bool]:
    """Samples one caption of one image, without cache: (token ids with the end token, whether it ended)."""
    batch = step.processor([Sample(sample.id, sample.prompt)])
    inputs = model.embeddings(batch, model.run(batch).prefix)
    generator, tokens = step.generator(sample.id, place), []
    for number in torch.rand(LIMIT, generator=generator, dtype=torch.float64):
        logits = model.language.model(inputs_embeds=inputs, use_cache=False).logits[0, -1]
        tokens.append(
            int(torch.searchsorted((logits.float() / temperature).softmax(-1).double().cumsum(-1), number))
        )
        if tokens[-1] in model.language.end_tokens:
            return tokens, True
        inputs = torch.cat([inputs, model.language.embed(torch.tensor([tokens[-1:]]))], dim=1)
    return tokens, False


@pytest.mark.parametrize(
    ("baseline", "temperature"), [("leave_one_out", 1.0), ("greedy", 1.0), ("leave_one_out", 0.2)]
)
def test_loss_and_gradient_equal_a_plain_formula(model, baseline, temperature):
    objective = made(baseline, temperature=temperature)
    step = Step(model, model.processor(), "scst", (), NUMBER, SEED, 0, 1)
    with torch.no_grad():
        sampled = [
            [alone(model, step, sample, place, temperature) for place in range(3)] for sample in SAMPLES
        ]
    references = {colour: Colours()[i].references for i, colour in enumerate(COLOURS)}
    reward = CiderReward(references, "char")
    decode = step.processor.decode
    words = lambda tokens, ended: decode(tokens[: len(tokens) - ended])
    total, count = torch.zeros((), dtype=torch.float64), 0
    for sample, captions in zip(SAMPLES, sampled, strict=True):
        image = example_of(sample.id)
        rewards = [reward([words(*caption)], [caption[1]], [image])[0] for caption in captions]
        for place, ((tokens, _), own) in enumerate(zip(captions, rewards, strict=True)):
            others = [r for other, r in enumerate(rewards) if other != place]
            if baseline == "greedy":
                batch = step.processor([Sample(sample.id, sample.prompt)])
                (text,) = model.continuations(batch, step.processor, LIMIT)
                others = [reward([text.text], [text.ended], [image])[0]]
            batch = step.processor([Sample(sample.id, sample.prompt)])
            inputs = model.embeddings(batch, model.run(batch).prefix)
            inputs = torch.cat([inputs, model.language.embed(torch.tensor([tokens[:-1]]).long())], dim=1)
            logits = model.language.model(inputs_embeds=inputs, use_cache=False).logits[0, -len(tokens) :]
            logp = (logits / temperature).log_softmax(-1)[torch.arange(len(tokens)), torch.tensor(tokens)]
            total = total - logp.sum() * (own - np.mean(others))
            count += len(tokens)
    (total / count).backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    found = Pass(model, objective, [SAMPLES])
    assert found.count == count and {ended for row in sampled for _, ended in row} == {True, False}
    assert found.loss.item() == pytest.approx(total.item() / count, rel=1e-9) and abs(total) > 1e-3
    for name, gradient in expected.items():
        # transformers' RMSNorm computes in fp32, before or after the gradients of common beginnings are added.
        assert (found.gradients[name] - gradient).norm() < 1e-6 * gradient.norm(), name
    assert any(gradient.norm() > 1e-6 for gradient in expected.values())


def test_neither_loss_nor_gradient_nor_captions_depend_on_how_a_step_is_divided(model):
    whole = Pass(model, made(), [SAMPLES])
    for cut in (
        [[SAMPLES[:2], SAMPLES[2:3], SAMPLES[3:]]],
        [[SAMPLES[:1], SAMPLES[1:3]], [SAMPLES[3:5], SAMPLES[5:]]],
    ):
        model.zero_grad()
        other = Pass(model, made(), *cut)
        assert other.count == whole.count and other.loss.item() == pytest.approx(whole.loss.item(), rel=1e-10)
        for name, gradient in whole.gradients.items():
            assert torch.allclose(other.gradients[name], gradient, rtol=1e-9, atol=1e-13), name
        sums = [prepared.sums for prepared in other.prepared]
        for name, value in whole.prepared[0].sums.items():
            assert sum(each[name] for each in sums) == pytest.approx(value), name


def test_captions_are_sampled_with_the_dropout_of_the_pass_that_scores_them(model):
    """The numbers at the sampled places of the scoring pass's own distribution give the sampled tokens again."""
    model.train()
    objective = made()
    step = Pass(model, objective, [SAMPLES])
    (batches,), (prepared,) = step.batches, step.prepared
    run = model.run(batches[0], seed=pass_seed(SEED, NUMBER, 0, 0), prepared={"scst": prepared.micro[0]})
    batch = prepared.micro[0].batch
    generator = Step(model, step.processor, "scst", (), NUMBER, SEED, 0, 1).generator
    with torch.no_grad():
        assert not torch.allclose(run.prefix, model.run(batches[0], seed=0).prefix)  # dropout is on
        for chunk, hidden in run.of("scst").on(batch).hidden():
            labels = chunk.labels[chunk.real()]
            logits = model.language.head(hidden[labels != IGNORE])
            at = 0
            for row in chunk.index.tolist():
                numbers = torch.rand(LIMIT, generator=generator(batch.ids[row], row % 3), dtype=torch.float64)
                tokens = batch.labels[row][batch.labels[row] != IGNORE]
                assert torch.equal(token_at(logits[at : at + len(tokens)], numbers[: len(tokens)]), tokens)
                at += len(tokens)


def test_each_caption_is_a_row_with_its_end_token_and_nothing_after_it(model):
    objective = made()
    processor = model.processor()
    step = Pass(model, objective, [SAMPLES[:3]])
    batch = step.prepared[0].micro[0].batch
    assert batch.ids == tuple(sample.id for sample in SAMPLES[:3] for _ in range(3))
    ends = model.language.end_tokens
    lengths = set()
    for row in range(len(batch)):
        size = int(batch.lengths[row])
        labels, tokens = batch.labels[row, :size], batch.tokens[row, :size]
        targets = labels[labels != IGNORE].tolist()
        assert len(targets) == LIMIT or targets[-1] in ends
        assert not ends & {*targets[:-1]}
        # Labels are shifted by one, and the last target is never an input.
        assert tokens[2:].tolist() == targets[:-1] and labels.tolist() == [IGNORE, *targets]
        lengths.add(len(targets))
    assert len(lengths) > 2
    # The same rows come from targets that a processor reads itself.
    texts = [" a large red circle", " red", " two stars"]
    targets = [[[*processor.encode(text), processor.end]] for text in texts]
    prompts = [Sample(str(i), (Painted(colour), "This is")) for i, colour in enumerate(COLOURS[:3])]
    read = processor([Sample(p.id, p.prompt, t) for p, t in zip(prompts, texts, strict=True)])
    built = with_targets(processor(prompts), targets)
    for name in ("tokens", "slots", "labels", "lengths", "image_of", "images"):
        assert torch.equal(getattr(read, name), getattr(built, name)), name


def test_the_end_token_and_the_words_before_it_share_one_advantage(model):
    """A caption that ends is rewarded as such: with the word for the end in its n-grams."""
    objective = made()
    objective.reward = Counted()
    prepared = Pass(model, objective, [SAMPLES]).prepared[0]
    ended, advantages = objective.reward.ended, prepared.micro[0].advantages.reshape(-1, 3)
    rewards = torch.tensor(ended, dtype=torch.float64).reshape(-1, 3)
    assert torch.allclose(advantages, rewards - (rewards.sum(1, keepdim=True) - rewards) / 2)
    assert advantages.unique().numel() > 1 and torch.allclose(
        advantages.sum(1), torch.zeros(len(SAMPLES)).double()
    )


class Counted:
    """Reward of 1 for each caption that ends."""

    def __contains__(self, image: str) -> bool:
        return True

    def __call__(self, texts, ended, images):
        self.ended, self.images = list(ended), list(images)
        return np.array(ended, dtype=float)


def test_the_greedy_baseline_is_one_caption_of_each_image(model):
    objective = made("greedy", samples=2)
    objective.reward = Counted()
    prepared = Pass(model, objective, [SAMPLES]).prepared[0]
    ended = torch.tensor(objective.reward.ended, dtype=torch.float64).reshape(-1, 3)
    processor = model.processor()
    greedy = model.continuations(processor([sample.prompt for sample in SAMPLES]), processor, LIMIT)
    assert ended[:, 2].tolist() == [float(text.ended) for text in greedy]
    assert torch.equal(prepared.micro[0].advantages.reshape(-1, 2), ended[:, :2] - ended[:, 2:])
    assert objective.reward.images == [example_of(s.id) for s in SAMPLES for _ in range(3)]
    assert prepared.sums["n"] == 12 and prepared.sums["baseline"] == 2 * ended[:, 2].sum()


def test_the_sums_describe_the_sampled_captions(model):
    objective = made()
    prepared = Pass(model, objective, [SAMPLES]).prepared[0]
    batch, sums = prepared.micro[0].batch, prepared.sums
    targets = [labels[labels != IGNORE].tolist() for labels in batch.labels]
    ended = [tokens[-1] in model.language.end_tokens for tokens in targets]
    texts = [
        model.processor().decode(tokens[: len(tokens) - end])
        for tokens, end in zip(targets, ended, strict=True)
    ]
    rewards = objective.reward(texts, ended, [example_of(key) for key in batch.ids])
    starts = range(0, len(texts) + 1, 3)
    assert (
        sums
        == {
            "n": 18.0,
            "reward": pytest.approx(rewards.sum()),
            "baseline": pytest.approx(rewards.sum()),  # the mean of the others, over all
            "length": sum(map(len, targets)) - sum(ended),
            "ended": sum(ended),
            "bad_endings": sum(
                bool(re.search(r"\b(a|an|the|with|of|in|on|and|to)\W*$", text)) for text in texts
            ),
            "distinct": sum(len({*texts[start:stop]}) for start, stop in pairwise(starts)),
        }
    )
    assert prepared.count == sum(map(len, targets))


def test_a_step_towards_its_gradient_raises_the_expected_reward(model):
    """The mean reward of many samples grows along the policy gradient."""
    model = copy.deepcopy(model)
    objective = made(samples=40)
    expected = lambda: Pass(model, objective, [SAMPLES]).prepared[0].sums
    before = Pass(model, objective, [SAMPLES])
    with torch.no_grad():
        size = torch.stack([gradient.norm() for gradient in before.gradients.values()]).norm()
        for name, weight in model.named_parameters():
            if name in before.gradients:
                weight -= 0.3 * before.gradients[name] / size
    after = expected()
    start = before.prepared[0].sums
    assert after["reward"] / after["n"] > start["reward"] / start["n"] * 1.02


def test_a_validation_has_no_loss_of_it(model):
    objective = made()
    batch = ObjectiveRows(model.processor(), {"scst": objective})(SAMPLES)
    run = model.run(batch).of("scst")
    assert objective.count(run.batch) == 0 and objective.total(run) == 0
    assert count_rows({"scst": objective}, [batch]) == {"scst": 0}


def test_a_rank_without_rows_adds_nothing(model):
    batch = ObjectiveRows(model.processor(), {"scst": made()})([])
    step = {"number": 0, "seed": 0, "rank": 0, "world_size": 1}
    prepared = prepare_step({"scst": made()}, model, model.processor(), [batch], **step)["scst"]
    assert prepared.count == 0 and prepared.sums["n"] == 0


def test_a_plan_runs_captions_of_a_usual_length(model):
    objectives = {"scst": SelfCritical(3, max_new_tokens=20)}  # without references
    batch = ObjectiveRows(model.processor(), objectives)(SAMPLES)
    where = {"number": 0, "seed": 0, "rank": 0, "world_size": 1}
    prepared = prepare_step(objectives, model, None, [batch], **where)["scst"]
    assert prepared.count == 6 * 3 * 13 and prepared.micro[0].batch.lengths.tolist() == [2 + 12] * 18
    loss = loss_of_step(objectives, model, batch)
    loss.value.backward()
    assert loss.value == 0
    assert (
        prepare_step({"scst": SelfCritical(3, max_new_tokens=7)}, model, None, [batch], **where)["scst"].count
        == 126
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 1}, "samples is 1; the baseline leave_one_out needs 2 or more"),
        ({"samples": 0, "baseline": "greedy"}, "samples is 0; the baseline greedy needs 1 or more"),
        ({"baseline": "mean"}, "baseline is 'mean'; choose one of leave_one_out, greedy"),
        ({"temperature": 0.0}, "temperature is 0.0; it is a number above 0"),
        ({"temperature": float("nan")}, "temperature is nan; it is a number above 0"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0; a caption has at least one token"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        SelfCritical(**options)


class Named(Source):
    """Examples with given references and answers."""

    def __init__(self, *examples: tuple[str, tuple[str, ...], str]) -> None:
        self.examples = [
            Example(key, Painted("red"), key, texts, "?", answer) for key, texts, answer in examples
        ]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]


def test_references_are_found_by_example():
    source = Named(("1", ("a dog", "dogs"), ""), ("2", (), ""), ("3", ("a cat",), ""))
    assert references_of({"a": Task(source), "b": Task(source)}) == {"1": ("a dog", "dogs"), "3": ("a cat",)}
    assert example_of(TASKS["captions"].sample(3).id) == "green" and example_of("a#b#1") == "a#b"


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            {"vqa": Named(("7", ("yes", "no"), "yes"))},
            "data.train.vqa: example 7 has an answer to learn, .* train on",
        ),
        (
            {"a": Named(("7", ("a dog",), "")), "b": Named(("7", ("a cat",), ""))},
            "data.train.b: another task has other references for its example 7",
        ),
        ({"a": Named(("7", ("a dog",), ""))}, "references of two or more images, and there are 1"),
    ],
)
def test_tasks_without_usable_references_are_refused(sources, message):
    with pytest.raises(UserError, match=message):
        SelfCritical().bind({name: Task(source) for name, source in sources.items()})


def test_an_example_of_no_training_task_is_refused(model):
    with pytest.raises(UserError, match="example 'stranger' is not one of the training examples"):
        Pass(model, made(), [[Sample("stranger#0", (Painted("red"),))]])


SCST = {
    "class_path": "frozenvl.objectives.SelfCritical",
    "init_args": {"samples": 3, "max_new_tokens": 6, "tokenizer": "char"},
}
RUN = (
    "--model.objectives", json.dumps({"scst": SCST}), "--data.batch_size", 6, "--model.mapper.init_args.dropout", 0,
    "--trainer.limit_val_batches", 0, "--trainer.max_steps", 1,
)  # fmt: skip


def captions_only() -> tuple[str, ...]:
    source = {"split": "train", "size": 8, "resolution": 64}
    path = "frozenvl.data.sources.scenes.SceneCaptions"
    task = {"source": {"class_path": path, "init_args": source}}
    return "--data.train", json.dumps({"captions": task}), "--trainer.callbacks", "[]"


def test_a_run_has_one_gradient_however_its_batch_is_divided(drilled):
    gradients, rows = [], []
    for ranks, accumulate in ((1, 1), (2, 3)):
        cut = (
            "--trainer.accumulate_grad_batches",
            accumulate,
            "--trainer.val_check_interval",
            4 * accumulate,
        )
        probe = add("probes.Gradients", file="gradients.pt")
        options = (*RUN, *captions_only(), *cut, *probe, "--overwrite", "true")
        assert drilled("fit", *options, ranks=ranks) == 0
        gradients.append(torch.load("gradients.pt"))
        rows.append(history("tiny")[0])
    one, other = gradients
    assert one.keys() == other.keys() and any(gradient.norm() > 0 for gradient in one.values())
    for name, gradient in one.items():
        assert (gradient - other[name]).norm() <= 1e-5 * gradient.norm(), name
    names = ("reward", "baseline", "length", "ended", "bad_endings", "distinct")
    for name in ["train/scst", "train/loss", *(f"train/scst_{name}" for name in names)]:
        assert rows[0][name] == pytest.approx(rows[1][name], rel=1e-5), name
    assert rows[0]["train/scst_reward"] > 0 and 0 < rows[0]["train/scst_distinct"] <= 1


def test_questions_without_captions_are_one_error_line(frozenvl, capfd):
    assert frozenvl("fit", *RUN) == 2
    line = one_line(capfd.readouterr().err)
    assert (
        line.startswith("data.train.vqa: example ")
        and "has an answer to learn, and no reference captions" in line
    )


def test_sampled_replies_are_rows_as_training_words_them(tiny_language):
    """In a chat template a caption ends with the end of a turn."""
    processor = Processor(str(tiny_language), 2, Pixels(8))
    processor.tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '<end>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
    )
    example = Colours()[0]
    template = Template(query="{image}Describe it.", chat=True)
    prompt = template.prompt(example)
    replies = processor.candidates(prompt, example.references)
    rows = with_targets(processor([prompt]), [replies])
    trained = processor([template.sample(example, target) for target in (0, 1)])
    assert rows.tokens.equal(trained.tokens) and rows.labels.equal(trained.labels)
    assert rows.image_of.equal(trained.image_of) and all(reply[-1] in processor.ends for reply in replies)
