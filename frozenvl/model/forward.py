"""`Forward`: a lazy forward pass of a batch. Each stage is computed once, on first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.language.conditioning import Conditioner
from frozenvl.model.language.cross_entropy import target_nll
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.vision.finite import finite_rows
from frozenvl.util.errors import RunError
from frozenvl.util.seeds import seed_from

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL

MAX_POSITIONS_PER_PASS = 4096
"""Maximal number of positions in one pass through the language model, padding included."""


class Forward:
    """Forward pass of a batch through a model. Each stage is computed once, even if several objectives read it.

    Args:
        model: model to run.
        batch: batch on the model's device.
        prompt_cache: leading part of the prompts, if the batch holds the rest of them.
        seed: seed of dropout in each stage. A second pass with the same seed then has the same dropout, whichever
            stages it runs and in whichever order. By default dropout follows torch's generator.
        prepared: what objectives have prepared for this micro-batch, by name.
    """

    prepared: Any = None
    """What the objective of these rows has prepared for this micro-batch (`Objective.prepare`)."""

    def __init__(
        self,
        model: FrozenVL,
        batch: Batch,
        prompt_cache: PromptCache | None = None,
        seed: int | None = None,
        prepared: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.batch, self.prompt_cache = model, batch, prompt_cache
        self.seed, self._prepared = seed, prepared or {}
        self.positions = self.padding = self.targets = 0
        """Number of positions (common beginnings once), padding and targets that this pass has run so far."""
        self._hidden: list[Tensor] = []
        # With gradients the graph keeps the states anyway. Without, they are worth keeping only for several objectives.
        self._keeps = torch.is_grad_enabled() or bool(batch.rows_of)

    @contextmanager
    def randomness(self, stage: str) -> Iterator[None]:
        """Context manager in which torch draws from the seed of a stage, if this pass has a seed."""
        if self.seed is None:
            yield
            return
        device = self.batch.tokens.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed_from(stage, self.seed))
            yield

    @cached_property
    def features(self) -> Tensor:
        """Features (N, tokens, channels) of the images.

        Raises:
            ValueError: if the batch holds prefix vectors, which are computed from features.
        """
        with self.randomness("features"):
            return self.model.features(self.batch.images, self.batch.stage)

    def check_features(self) -> None:
        """Checks the features that this pass has computed so far.

        Raises:
            RunError: if those of an image hold NaN or infinity; the line names the samples that show it.
        """
        if "features" not in self.__dict__:
            return
        finite = finite_rows(self.features)
        if not finite.all():
            images = (self.batch.per_view(finite.float()) < 1).nonzero()[:, 0]
            rows = [bool(torch.isin(row, images).any()) for row in self.batch.image_of]
            names = ", ".join(compress(self.batch.ids, rows)) or "of the batch"
            advice = "lower the learning rate" if self.model.vision.trainable else "compute in fp32"
            raise RunError(
                f"the features that {self.model.vision.name} gives are no finite numbers (NaN or infinity), samples "
                f"{names}; look at their images, or {advice}"
            )

    @cached_property
    def prefix(self) -> Tensor:
        """Prefix vectors (N, k, dim) of the images, or (M, k, dim) of the views."""
        if self.batch.stage == "prefixes":
            return self.batch.images
        features = self.features
        with self.randomness("prefix"):
            return self.model.map(features, self.batch.views, self.batch.numbers)

    @cached_property
    def conditioner(self) -> Conditioner | None:
        """Images of the pass, prepared by the fusion for the layers; None if layers do not see them."""
        return self.model.conditioner(self.prefix, self.prompt_cache)

    @cached_property
    def chunks(self) -> list[Batch]:
        """Rows of the batch in chunks of similar length that fit memory."""
        return list(self.batch.chunks(MAX_POSITIONS_PER_PASS, before=len(self.prompt_cache or ())))

    def hidden(self) -> Iterator[tuple[Batch, Tensor]]:
        """Yields each chunk with the last hidden states (positions, dim) of its real positions, row by row."""
        for place, chunk in enumerate(self.chunks):
            if place < len(self._hidden):
                yield chunk, self._hidden[place]
                continue
            hidden = self._run(chunk, place)
            if self._keeps:
                self._hidden.append(hidden)
            yield chunk, hidden

    def states(self, layers: Sequence[int]) -> Iterator[tuple[Batch, Tensor]]:
        """Yields each chunk with hidden states (positions, layers, dim) of its real positions, row by row.

        Args:
            layers: 0 for the input embeddings, i for the output of layer i, -1 for the last hidden states.
        """
        if tuple(layers) == (-1,):
            yield from ((chunk, hidden[:, None]) for chunk, hidden in self.hidden())
            return
        for place, chunk in enumerate(self.chunks):
            yield chunk, self._run(chunk, place, layers)

    def _run(self, chunk: Batch, place: int, layers: Sequence[int] = ()) -> Tensor:
        """Runs the language model on a chunk: last hidden states (positions, dim), or those of several layers."""
        # Rows without an image need no prefix vectors: retrieval embeds texts alone.
        prefix, conditioner = chunk.images.new_zeros(0, self.model.k, self.model.language.dim), None
        if _sees_image(chunk):
            prefix, conditioner = self.prefix, self.conditioner
        with self.randomness(f"hidden {place}"):
            hidden = self.model.hidden(chunk, prefix, self.prompt_cache, layers, conditioner)
        packs = self.model.language.runs_packed
        shared = chunk.tree.saved if packs and self.prompt_cache is None else 0
        self._count_work(int(chunk.lengths.sum()) - shared, 0 if packs else int((~chunk.real()).sum()))
        return hidden

    def _count_work(self, positions: int, padding: int) -> None:
        self.positions += positions
        self.padding += padding

    def nll(self, smoothing: float = 0.0, temperature: float = 1.0) -> Iterator[tuple[Batch, Tensor]]:
        """Yields each chunk with the negative log-likelihood (targets,), in nats, of its target tokens, row by row.

        Args:
            smoothing: share of the target probability that is spread evenly over the vocabulary (label smoothing).
            temperature: divisor of the logits.
        """
        language = self.model.language
        head = language.head if temperature == 1 else lambda rows: language.head(rows) / temperature
        for chunk, hidden in self.hidden():
            labels = chunk.labels[chunk.real()]
            predicts = labels != IGNORE
            nll = target_nll(hidden[predicts], labels[predicts], head, language.head_is_trained, smoothing)
            self._count_targets(len(nll))
            yield chunk, nll

    def _count_targets(self, targets: int) -> None:
        self.targets += targets

    def of(self, objective: str) -> Forward:
        """Returns this pass restricted to the rows of an objective, with what it has prepared."""
        if objective in self.batch.separate:
            run = self.on(self.batch.of(objective))
            run.prepared = self._prepared.get(objective)
            return run
        rows, prepared = self.batch.own_rows(objective), self._prepared.get(objective)
        if rows is None and prepared is None:
            return self
        run = RowsOf(self, objective, tuple(range(len(self.batch))) if rows is None else rows)
        run.prepared = prepared
        return run

    def on(self, batch: Batch) -> Forward:
        """Returns the pass of other rows over the same images. Features and prefix vectors are computed once."""
        return OverImages(self, batch)

    def zero(self) -> Tensor:
        """Returns the fp32 scalar 0 on the batch's device, which a sum of losses starts from."""
        return torch.zeros((), device=self.batch.lengths.device)

    def reach(self) -> Tensor:
        """Returns 0, with a gradient of 0 for every trained parameter that this pass may not have used.

        DDP waits on every rank for the gradient of every trained parameter, whatever the rank's batch holds.
        """
        used = "language." if self.targets else None  # targets went through its body and its head
        # Objectives on pixels need no prefix vectors; the encoder and the mapper would run for a zero.
        start = self.prefix.sum() * 0.0 if "prefix" in self.__dict__ else self.zero()
        weights = (
            weight
            for name, weight in self.model.named_parameters()
            if weight.requires_grad and not (used and name.startswith(used))
        )
        return sum((weight.sum() * 0.0 for weight in weights), start)


def _sees_image(batch: Batch) -> bool:
    """Returns whether a position of a batch is an image or comes after one."""
    return bool(((batch.image_of if batch.image_of.numel() else batch.slots) >= 0).any())


class OverImages(Forward):
    """Forward pass of a batch over the images of another pass, which computes features and prefix vectors.

    Args:
        whole: pass with the same images.
        batch: rows to run.
    """

    def __init__(self, whole: Forward, batch: Batch) -> None:
        super().__init__(whole.model, batch, whole.prompt_cache, whole.seed)
        self.whole = whole

    @property
    def features(self) -> Tensor:  # type: ignore[override]
        return self.whole.features

    @property
    def prefix(self) -> Tensor:  # type: ignore[override]
        return self.whole.prefix

    @property
    def conditioner(self) -> Conditioner | None:  # type: ignore[override]
        return self.whole.conditioner

    def _count_work(self, positions: int, padding: int) -> None:
        self.whole._count_work(positions, padding)

    def _count_targets(self, targets: int) -> None:
        self.whole._count_targets(targets)


class RowsOf(OverImages):
    """Forward pass restricted to the rows of an objective. The whole pass computes every stage."""

    def __init__(self, whole: Forward, objective: str, rows: tuple[int, ...]) -> None:
        super().__init__(whole, whole.batch.of(objective))
        self._place = {row: place for place, row in enumerate(rows)}

    def hidden(self) -> Iterator[tuple[Batch, Tensor]]:
        for chunk, hidden in self.whole.hidden():
            places = [place for place, row in enumerate(chunk.index.tolist()) if row in self._place]
            if not places:
                continue
            index = torch.tensor(places, dtype=torch.long, device=chunk.lengths.device)
            chosen = torch.zeros(len(chunk), dtype=torch.bool, device=index.device).index_fill(0, index, True)
            rows = [self._place[int(chunk.index[place])] for place in places]
            part = replace(
                chunk.select(index), index=torch.tensor(rows, dtype=torch.long, device=index.device)
            )
            yield part, hidden[chosen.repeat_interleave(chunk.lengths)]
