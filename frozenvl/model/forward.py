"""`Forward`: one pass of a batch through a model, each stage computed when it is first asked for, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.language.cross_entropy import target_nll
from frozenvl.model.language.prompt_cache import PromptCache

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL

MAX_POSITIONS_PER_PASS = 4096
"""Positions that go through the language model at a time, padding included."""


class Forward:
    """A pass of a batch through a model. Objectives and scores read it; whatever several of them read is computed once.

    Args:
        model: the model.
        batch: on the model's device.
        prompt_cache: the leading part of which the batch's prompts are the remainders.
    """

    def __init__(self, model: FrozenVL, batch: Batch, prompt_cache: PromptCache | None = None) -> None:
        self.model, self.batch, self.prompt_cache = model, batch, prompt_cache
        self.positions = self.padding = self.targets = 0
        """Positions that went through the language model: real ones, padding, and those that met its head."""
        self._hidden: list[Tensor] = []
        # With gradients the graph holds the states anyway; without, only several readers make them worth keeping.
        self._keeps = torch.is_grad_enabled() or bool(batch.rows_of)

    @cached_property
    def features(self) -> Tensor:
        """(N, tokens, channels) features of the images.

        Raises:
            ValueError: the batch holds prefix vectors, which come after features.
        """
        return self.model.features(self.batch.images, self.batch.stage)

    @cached_property
    def prefix(self) -> Tensor:
        """(N, k, dim) prefix vectors of the images."""
        return self.batch.images if self.batch.stage == "prefixes" else self.model.map(self.features)

    @cached_property
    def chunks(self) -> list[Batch]:
        """The rows in pieces of like length that fit memory."""
        return list(self.batch.chunks(MAX_POSITIONS_PER_PASS, before=len(self.prompt_cache or ())))

    def hidden(self) -> Iterator[tuple[Batch, Tensor]]:
        """Each chunk with the last hidden states of its real positions, (positions, dim), row by row."""
        for place, chunk in enumerate(self.chunks):
            if place < len(self._hidden):
                yield chunk, self._hidden[place]
                continue
            hidden = self.model.hidden(chunk, self.prefix, self.prompt_cache)
            self.positions += int(chunk.lengths.sum())
            self.padding += 0 if self.model.language.packs else int((~chunk.real()).sum())
            if self._keeps:
                self._hidden.append(hidden)
            yield chunk, hidden

    def nll(self) -> Iterator[tuple[Batch, Tensor]]:
        """Each chunk with the negative log-likelihood, in nats, of its target tokens: (targets,), row by row."""
        for chunk, hidden in self.hidden():
            labels = chunk.labels[chunk.real()]
            where = labels != IGNORE
            language = self.model.language
            nll = target_nll(hidden[where], labels[where], language.head, language.head_is_trained)
            self._met(len(nll))
            yield chunk, nll

    def _met(self, targets: int) -> None:
        self.targets += targets

    def of(self, objective: str) -> Forward:
        """The pass as an objective sees it: its rows alone."""
        rows = self.batch.own_rows(objective)
        return self if rows is None else RowsOf(self, objective, rows)

    def reach(self) -> Tensor:
        """0, with a gradient of 0 for every trained parameter that this pass may not have met.

        DDP waits on every rank for the gradient of each trained parameter, whatever stands in a rank's batch.
        """
        met = "language." if self.targets else None  # by its body and its head
        weights = (
            weight
            for name, weight in self.model.named_parameters()
            if weight.requires_grad and not (met and name.startswith(met))
        )
        return sum((weight.sum() * 0.0 for weight in weights), self.prefix.sum() * 0.0)


class RowsOf(Forward):
    """A pass restricted to the rows of an objective. Everything is computed by the whole pass."""

    def __init__(self, whole: Forward, objective: str, rows: tuple[int, ...]) -> None:
        super().__init__(whole.model, whole.batch.of(objective), whole.prompt_cache)
        self.whole = whole
        self._place = {row: place for place, row in enumerate(rows)}

    @property
    def features(self) -> Tensor:  # type: ignore[override]
        return self.whole.features

    @property
    def prefix(self) -> Tensor:  # type: ignore[override]
        return self.whole.prefix

    def hidden(self) -> Iterator[tuple[Batch, Tensor]]:
        for chunk, hidden in self.whole.hidden():
            places = [place for place, row in enumerate(chunk.index.tolist()) if row in self._place]
            if not places:
                continue
            index = torch.tensor(places, dtype=torch.long, device=chunk.lengths.device)
            own = torch.zeros(len(chunk), dtype=torch.bool, device=index.device).index_fill(0, index, True)
            rows = [self._place[int(chunk.index[place])] for place in places]
            part = replace(
                chunk.select(index), index=torch.tensor(rows, dtype=torch.long, device=index.device)
            )
            yield part, hidden[own.repeat_interleave(chunk.lengths)]

    def _met(self, targets: int) -> None:
        self.whole._met(targets)
