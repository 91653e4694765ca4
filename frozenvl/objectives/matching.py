"""The matching objective: a head tells true pairs of image and text from the most similar wrong ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.heads import EmbeddingHead
from frozenvl.objectives.hard_negatives import (
    Embeddings,
    Wrong,
    drawn,
    judged,
    judged_rows,
    pair_keys,
    pair_tails,
)
from frozenvl.objectives.objective import Objective
from frozenvl.objectives.step import Prepared, Step, refuse_moving_statistics
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError
from frozenvl.util.seeds import seed_from

if TYPE_CHECKING:
    from frozenvl.model.heads import Matching as MatchingHead


class Micro(NamedTuple):
    """Pairs that a micro-batch judges."""

    true: Sequence[int]
    """Indices of its true pairs."""
    wrong: Sequence[Wrong]


class Matching(Objective):
    """Binary cross-entropy of a matching head over true pairs and hard negatives (ALBEF, BLIP).

    For each pair of the optimiser step, over all ranks and accumulated micro-batches, one wrong text is drawn for its
    image and one wrong image for its text, with probabilities softmax(similarity / temperature) of the embeddings. So N
    pairs give 3·N rows, which all count alike. Texts of the same image, and equal texts of several images, are never
    wrong; a pair that has no wrong partner in the step adds its true row only.

    A wrong pair is computed in the micro-batch that has its image; only tokens of texts travel between ranks. So the
    loss and its gradient do not depend on how a step is divided. Draws depend on the seed, the step and its pairs.
    Choosing them embeds each text and image once more, without gradients.

    A validation draws among the pairs of each of its batches (`data.eval_batch_size`), always the same. It logs the
    mean of the shares of true and of wrong pairs that are told, `match_accuracy`, in percent (chance 50).

    Args:
        head: name of the matching head; by default the only one.
        negatives_from: name of the embedding head whose similarities choose negatives; by default the only one. If the
            model has none, negatives are drawn uniformly.
        temperature: temperature of the draws; `.inf` draws uniformly, and then nothing is embedded.
        pairs: largest number of pairs of a step that are judged, drawn at random. Negatives still come from all pairs,
            which costs little: a large batch for the contrastive objective makes them hard. By default all are judged.
        weight: factor of this objective in the loss.
    """

    separate = True
    prepares = True

    def __init__(
        self,
        head: str | None = None,
        negatives_from: str | None = None,
        temperature: float = 0.07,
        pairs: int | None = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        if not temperature > 0:
            raise UserError(f"model.objectives: temperature is {temperature}; give a number above 0, or .inf")
        if pairs is not None and pairs < 1:
            raise UserError(f"model.objectives: pairs is {pairs}; give 1 or more, or leave it out")
        self.head, self.negatives_from, self.temperature = head, negatives_from, temperature
        self.pairs = pairs
        self._told: dict[str, float] = {}
        """Pairs that `total` told right, and all, of the last batch without a preparation."""

    def attach(self, model: FrozenVL) -> None:
        self._pair_prompt = model.matcher(self.head).prompt
        self._embeds = None
        embedding = any(isinstance(head, EmbeddingHead) for head in model.heads.values())
        if self.negatives_from is not None or (embedding and math.isfinite(self.temperature)):
            self._embeds = model.head(self.negatives_from).prompts
            refuse_moving_statistics(model, "a matching loss")

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """Returns the pair's prompt, then those that embed its text and image; none if the sample lacks one of them."""
        text = sample.target.strip()
        if not text or not sample.images:
            return ()
        image = sample.images[-1]
        prompts = [self._pair_prompt(image, text)]
        if self._embeds is not None:
            prompts += [self._embeds.of_text(text), self._embeds.of_image(image)]
        return [Sample(sample.id, prompt) for prompt in prompts]

    def count(self, batch: Batch) -> int:
        """Returns the number of pairs with their negatives, if these are drawn within the batch."""
        pairs = self._pairs(batch)
        # Whether a pair has a negative depends on the other pairs only, so any draw will do.
        return len(pairs) + len(drawn(pair_keys(pairs), None, torch.Generator()))

    def prepare(self, step: Step) -> Prepared:
        runs = [step.run(micro) for micro in range(len(step.batches))]
        pairs = [self._pairs(run.batch) for run in runs]
        embedded = [self._embedded(run) for run in runs]
        own = (
            [pair_keys(batch) for batch in pairs],
            [pair_tails(batch) for batch in pairs],
            None if embedded[0] is None else [torch.stack(both).cpu() for both in embedded if both],
        )
        ranks = step.gather(own)
        keys, tails = (_joined(part for each in ranks for part in each[column]) for column in (0, 1))
        every = None
        if embedded[0] is not None:
            texts, images = torch.cat([part for each in ranks for part in each[2]], dim=1)
            every = Embeddings(texts, images, self.temperature)
        true = judged(keys, self.pairs, step.generator("judged"))
        wrong = drawn(keys, every, step.generator("negatives"), true)
        first = sum(len(part) for each in ranks[: step.rank] for part in each[0])
        micro: list[Micro] = []
        for batch in pairs:
            own_places = range(first, first + len(batch))
            micro.append(
                Micro(
                    [place - first for place in true if place in own_places],
                    [Wrong(image - first, tails[text]) for image, text in wrong if image in own_places],
                )
            )
            first += len(batch)
        return Prepared(micro, sum(len(part) for each in micro for part in each))

    def total(self, run: Forward) -> Tensor:
        pairs = self._pairs(run.batch)
        micro: Micro = run.prepared or Micro(range(len(pairs)), self._within(run, pairs))
        rows = run.on(judged_rows(pairs, *micro))
        if not len(rows.batch):
            return run.prefix.new_zeros((), dtype=torch.float32)
        head: MatchingHead = run.model.matcher(self.head)
        logits = head.logits(rows)
        true = torch.arange(len(logits), device=logits.device) < len(micro.true)
        if run.prepared is None:
            right = (logits > 0) == true
            self._told = {
                "true_right": float(right[true].sum()),
                "true": len(micro.true),
                "wrong_right": float(right[~true].sum()),
                "wrong": len(micro.wrong),
            }
        return binary_cross_entropy_with_logits(logits, true.float(), reduction="sum")

    def sums(self, batch: Batch) -> dict[str, float]:
        told = self._told if len(batch) else {}
        return {name: told.get(name, 0.0) for name in ("true_right", "true", "wrong_right", "wrong")}

    def summary(self, loss: float, sums: Mapping[str, float]) -> dict[str, float]:
        shares = [sums[f"{kind}_right"] / sums[kind] for kind in ("true", "wrong") if sums[kind]]
        return {"match_accuracy": 100 * sum(shares) / max(len(shares), 1)}

    def _pairs(self, batch: Batch) -> Batch:
        """Returns the rows of the pairs; each is followed by its text and its image, if they are embedded."""
        return batch.select(torch.arange(0, len(batch), 1 if self._embeds is None else 3))

    def _embedded(self, run: Forward) -> tuple[Tensor, Tensor] | None:
        """Returns the embeddings (pairs, dim) of texts and of images, without a graph; None if draws are uniform."""
        if self._embeds is None:
            return None
        head = run.model.head(self.negatives_from)
        texts, images = (run.on(run.batch.select(torch.arange(side, len(run.batch), 3))) for side in (1, 2))
        if not len(texts.batch):
            none = torch.zeros(0, head.dim)
            return none, none
        with torch.no_grad():
            return head.embed_texts(texts), head.embed_images(images)

    def _within(self, run: Forward, pairs: Batch) -> list[Wrong]:
        """Returns negatives among the pairs of a batch, always the same for the same pairs."""
        keys, tails, both = pair_keys(pairs), pair_tails(pairs), self._embedded(run)
        every = both and Embeddings(both[0].cpu(), both[1].cpu(), self.temperature)
        generator = torch.Generator().manual_seed(seed_from("negatives", *sorted(keys)))
        return [Wrong(image, tails[text]) for image, text in drawn(keys, every, generator)]


def _joined(parts: Iterable[Sequence[Any]]) -> list[Any]:
    return [item for part in parts for item in part]
