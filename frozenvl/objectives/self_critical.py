"""The self-critical objective: sampled captions are reinforced by how much their CIDEr-D exceeds a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from frozenvl.metrics.cider_reward import CiderReward
from frozenvl.metrics.endings import ends_badly
from frozenvl.metrics.tokenizers import TokenizerName
from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.forward import Forward
from frozenvl.model.language.sampling import Sampled, sample_continuations
from frozenvl.objectives.objective import Objective
from frozenvl.objectives.step import Prepared, Step
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.data.stream import Task

Baseline = Literal["leave_one_out", "greedy"]

LOGGED = ("n", "reward", "baseline", "length", "ended", "bad_endings", "distinct")
"""Sums over the sampled captions of a step, by which training logs means."""
PLANNED_TOKENS = 13
"""Tokens of a sampled caption in a plan: the mean of Flickr8k's captions, with the end token."""


class Micro(NamedTuple):
    """Sampled captions of one micro-batch."""

    batch: Batch
    """A row for each caption: its prompt, with the sampled tokens as targets."""
    advantages: Tensor
    """Reward of each caption less its baseline (rows,), fp64, on the CPU."""


class SelfCritical(Objective):
    """Self-critical sequence training: the policy gradient of the CIDEr-D of sampled captions (Rennie et al. 2017).

    Before each optimiser step the model samples captions of the step's images. The loss is −Σ log p(token) · (reward −
    baseline) over the sampled tokens up to and with the first end token, divided by their number. The reward is CIDEr-D
    against all training references of the image (`CiderReward`), with the end token as a word of the n-grams.

    Samples come from the whole vocabulary, with the dropout of the later pass, and from random numbers that depend on
    the seed, the step, the sample and the number of the caption alone. So the loss does not depend on how a step is
    divided among ranks and micro-batches.

    Training logs, as means over sampled captions: `reward` and `baseline`; `length`, in tokens without the end token;
    `ended`, the share that ended before the length limit; `bad_endings`, the share whose last word calls for another
    one; `distinct`, the share of an image's captions that differ from one another. A validation has no loss of this
    objective (it is 0): the benchmark `Captions` measures what is trained.

    Start from a model that was trained on captions (`--init_from`), with a tenth of its learning rate: a model that
    does not caption samples nothing worth reinforcing.

    Args:
        samples: number of captions that are sampled for each image.
        baseline: "leave_one_out" is the mean reward of the other captions of the image; "greedy" is the reward of its
            greedy caption.
        max_new_tokens: maximal length of a caption, in tokens. A caption that is cut there has no end token.
        tokenizer: tokenizer of the reward: "ptb" is pycocoevalcap's; "char", "zh" and "ja" are sacrebleu's, for
            captions in writing systems without spaces.
        temperature: divisor of the logits where captions are sampled and where they are scored: the reinforced policy
            is the softmax at this temperature, which greedy decoding does not depend on. At 1, the first steps of a
            trained model go into narrowing its distribution; below 1 it starts narrower.
        weight: factor of this objective in the loss.

    Raises:
        UserError: if an argument is out of range.
    """

    separate = True
    prepares = True

    def __init__(
        self,
        samples: int = 5,
        baseline: Baseline = "leave_one_out",
        max_new_tokens: int = 32,
        tokenizer: TokenizerName = "ptb",
        weight: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(weight)
        if baseline not in get_args(Baseline):
            raise UserError(
                f"SelfCritical: baseline is {baseline!r}; choose one of {', '.join(get_args(Baseline))}"
            )
        if samples < (least := 2 if baseline == "leave_one_out" else 1):
            raise UserError(
                f"SelfCritical: samples is {samples}; the baseline {baseline} needs {least} or more"
            )
        if max_new_tokens < 1:
            raise UserError(
                f"SelfCritical: max_new_tokens is {max_new_tokens}; a caption has at least one token"
            )
        if not 0 < temperature < math.inf:
            raise UserError(f"SelfCritical: temperature is {temperature}; it is a number above 0")
        self.temperature = temperature
        self.samples, self.baseline, self.max_new_tokens = samples, baseline, max_new_tokens
        self.tokenizer: TokenizerName = tokenizer
        self.reward: CiderReward | None = None
        """Reward of captions, by the id of their example; None before `bind`."""

    def bind(self, tasks: Mapping[str, Task]) -> None:
        """Reads the references of all training examples, for rewards and their document frequencies.

        Raises:
            UserError: if an example has an answer in place of captions, two tasks have other references for one id, or
                there are fewer than two examples.
        """
        self.reward = CiderReward(references_of(tasks), self.tokenizer)

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """Returns the prompt of the sample, without its target."""
        return (replace(sample, target=""),)

    def count(self, batch: Batch) -> int:
        """Returns 0: the number of target tokens is known once they are sampled."""
        return 0

    def prepare(self, step: Step) -> Prepared:
        """Samples captions of the step's images and computes their advantages.

        If the step is only planned, a pass over captions of `PLANNED_TOKENS` stands for the sampling.
        """
        sums: dict[str, float] = {}
        micro = []
        for place in range(len(step.batches)):
            run = step.run(place)
            sampled, statistics = self._planned(run) if step.processor is None else self._sampled(step, run)
            micro.append(sampled)
            sums = {name: sums.get(name, 0.0) + value for name, value in statistics.items()}
        return Prepared(micro, sum(int((each.batch.labels != IGNORE).sum()) for each in micro), sums)

    def total(self, run: Forward) -> Tensor:
        total = run.prefix.new_zeros((), dtype=torch.float32)
        if run.prepared is None or not len(run.prepared.batch):
            return total
        batch, advantages = run.prepared
        for chunk, nll in run.on(batch).nll(temperature=self.temperature):
            row = (chunk.labels != IGNORE).nonzero(as_tuple=True)[0]
            total = total + (nll * advantages.to(nll)[chunk.index[row]]).sum()
        return total

    def _planned(self, run: Forward) -> tuple[Micro, dict[str, float]]:
        """Returns captions whose tokens do not matter, after a pass over them, which has the sampling's operations."""
        tokens = [0] * min(self.max_new_tokens, PLANNED_TOKENS)
        batch = with_targets(run.batch, [[tokens] * self.samples] * len(run.batch))
        for _ in run.on(batch).nll():
            pass
        return Micro(batch, torch.zeros(len(batch))), dict.fromkeys(LOGGED, 0.0)

    def _sampled(self, step: Step, run: Forward) -> tuple[Micro, dict[str, float]]:
        """Returns the sampled captions of a micro-batch, and the sums to log."""
        if self.reward is None:
            raise UserError("SelfCritical has no references; call its `bind` with the training tasks first")
        assert step.processor is not None
        batch, model, greedy = run.batch, step.model, self.baseline == "greedy"
        if not len(batch):
            return Micro(batch, torch.zeros(0)), dict.fromkeys(LOGGED, 0.0)
        images = [example_of(key) for key in batch.ids]
        if unknown := [image for image in images if image not in self.reward]:
            raise UserError(f"SelfCritical: example {unknown[0]!r} is not one of the training examples")
        continuations = sample_continuations(
            model.language,
            model.embeddings(batch, run.prefix),
            batch.lengths,
            self._numbers(step, batch.ids),
            model.language.end_tokens | step.processor.ends,
            greedy,
            model.conditioning(batch, run.conditioner),
            self.temperature,
        )
        each = self.samples + greedy
        flat = [sampled for row in continuations for sampled in row]
        texts = [step.processor.decode(sampled.words) for sampled in flat]
        owners = [image for image in images for _ in range(each)]
        rewards = torch.from_numpy(self.reward(texts, [sampled.ended for sampled in flat], owners))
        rewards = rewards.reshape(len(batch), each)
        if greedy:
            rewards, baselines = rewards[:, :-1], rewards[:, -1:].expand(-1, self.samples)
        else:
            baselines = (rewards.sum(1, keepdim=True) - rewards) / (self.samples - 1)
        advantages = (rewards - baselines).flatten()
        sampled = [row[: self.samples] for row in continuations]
        captions = [texts[start : start + self.samples] for start in range(0, len(texts), each)]
        sums = dict(zip(LOGGED, statistics(rewards, baselines, sampled, captions), strict=True))
        targets = [[caption.tokens for caption in row] for row in sampled]
        return Micro(with_targets(batch, targets), advantages), sums

    def _numbers(self, step: Step, ids: Sequence[str]) -> Tensor:
        """Returns the random numbers (rows, samples, max_new_tokens) of a batch's captions, fp64 in [0, 1)."""
        numbers = [
            torch.rand(self.max_new_tokens, generator=step.generator(key, place), dtype=torch.float64)
            for key in ids
            for place in range(self.samples)
        ]
        shape = len(ids), self.samples, self.max_new_tokens
        return torch.stack(numbers).reshape(shape) if numbers else torch.zeros(shape, dtype=torch.float64)


def references_of(tasks: Mapping[str, Task]) -> dict[str, tuple[str, ...]]:
    """Returns the references of all examples of tasks, by example id.

    Raises:
        UserError: if an example has an answer in place of captions, or two tasks have other references for one id.
    """
    references: dict[str, tuple[str, ...]] = {}
    for name, task in tasks.items():
        for index in range(len(task.source)):
            example = task.source[index]
            if example.answer:
                raise UserError(
                    f"data.train.{name}: example {example.id} has an answer to learn, and no reference captions, which "
                    "SelfCritical rewards; train on captions, or leave out the task"
                )
            if not example.references:
                continue  # no sample is made of it
            if references.setdefault(example.id, example.references) != example.references:
                raise UserError(
                    f"data.train.{name}: another task has other references for its example {example.id}; "
                    "SelfCritical finds references by id, so leave out one of the tasks"
                )
    return references


def example_of(sample: str) -> str:
    """Returns the example id of a sample id (`Template.sample` adds the number of the target)."""
    return sample.rpartition("#")[0] or sample


def statistics(
    rewards: Tensor, baselines: Tensor, sampled: Sequence[Sequence[Sampled]], texts: Sequence[Sequence[str]]
) -> tuple[float, ...]:
    """Returns the sums named by `LOGGED` over the captions of images (images, samples)."""
    flat = [caption for row in sampled for caption in row]
    return (
        float(len(flat)),
        float(rewards.sum()),
        float(baselines.sum()),
        float(sum(len(caption.words) for caption in flat)),
        float(sum(caption.ended for caption in flat)),
        float(sum(ends_badly(text) for row in texts for text in row)),
        float(sum(len(set(row)) for row in texts)),
    )


def with_targets(batch: Batch, targets: Sequence[Sequence[Sequence[int]]]) -> Batch:
    """Returns a batch with a row for each target of each prompt: the prompt, then the target, which alone has labels.

    Args:
        batch: prompts.
        targets: token ids of the targets of each prompt, each with at least one token.
    """
    owners = torch.tensor([row for row, each in enumerate(targets) for _ in each], dtype=torch.long)
    flat = [list(tokens) for each in targets for tokens in each]
    starts = batch.lengths.cpu()[owners]
    # The last target token is predicted but never an input.
    lengths = starts + torch.tensor([len(tokens) - 1 for tokens in flat], dtype=torch.long)
    width = max(lengths.tolist(), default=0)

    def extended(column: Tensor, pad: int) -> Tensor:
        rows = torch.full((len(flat), width), pad, dtype=column.dtype)
        for row, (owner, start) in enumerate(zip(owners.tolist(), starts.tolist(), strict=True)):
            rows[row, :start] = column[owner, :start]
        return rows

    tokens, slots = extended(batch.tokens.cpu(), 0), extended(batch.slots.cpu(), -1)
    markers, image_of = (
        extended(column.cpu(), -1) if column.numel() else column.cpu()
        for column in (batch.markers, batch.image_of)
    )
    labels = torch.full_like(tokens, IGNORE)
    for row, (start, target) in enumerate(zip(starts.tolist(), flat, strict=True)):
        end = start + len(target) - 1
        tokens[row, start:end] = torch.tensor(target[:-1], dtype=torch.long)
        labels[row, start - 1 : end] = torch.tensor(target, dtype=torch.long)
        if image_of.numel():
            image_of[row, start:end] = image_of[row, start - 1]
    return replace(
        batch,
        ids=tuple(batch.ids[owner] for owner in owners.tolist()),
        tokens=tokens,
        slots=slots,
        labels=labels,
        lengths=lengths,
        image_of=image_of,
        markers=markers,
        texts=(),
        target_bytes=(),
        rows_of={},
        made_of=(),
    ).to(batch.lengths.device)
