"""FrozenVL: a visual prefix for a frozen language model. One call each for loss, generation and scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from frozenvl.errors import UserError
from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.cross_entropy import target_nll
from frozenvl.model.language import FrozenLanguageModel
from frozenvl.model.mapper import Mapper
from frozenvl.model.vision import VisionEncoder

PASS = 4096
"""Positions that go through the language model in one pass."""


class Loss(NamedTuple):
    """Sums over a batch; their quotient, over ranks and micro-batches alike, is the loss."""

    nll: Tensor
    tokens: int


class FrozenVL(nn.Module):
    """vision → mapper → frozen language model (Frozen, section 3).

    Args:
        language: the frozen language model.
        vision: image encoder, frozen or trainable.
        mapper: makes the mapper from (channels, tokens, dim, k).
        k: prefix vectors per image.
    """

    def __init__(
        self,
        language: FrozenLanguageModel,
        vision: VisionEncoder,
        mapper: Callable[[int, int, int, int], Mapper],
        k: int,
    ) -> None:
        super().__init__()
        if k < 1:
            raise UserError(f"k is {k}; an image needs at least one prefix vector")
        self.k = k
        self.language = language
        self.vision = vision
        self.mapper = mapper(vision.channels, vision.tokens, language.dim, k)
        self.low_precision = False

    @property
    def trainable(self) -> dict[str, nn.Module]:
        """The parts that are trained, by name: what a checkpoint holds."""
        return {"mapper": self.mapper} | ({"vision": self.vision} if self.vision.trainable else {})

    @property
    def device(self) -> torch.device:
        return next(self.mapper.parameters()).device

    def hold_frozen_in_bf16(self) -> None:
        """Frozen weights in bfloat16, arithmetic of the trained parts under autocast; those stay fp32."""
        self.low_precision = True
        for weight in self.language.parameters():  # not its buffers: rotary frequencies need their digits
            weight.data = weight.data.to(torch.bfloat16)
        if not self.vision.trainable:
            self.vision.model.to(torch.bfloat16)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.low_precision)

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, 3, size, size) uint8 → (N, tokens, channels)."""
        with self._autocast():
            return self.vision(pixels)

    def prefix(self, batch: Batch) -> Tensor:
        """(N·k, dim): the prefix vectors of all images of a batch."""
        with self._autocast():
            features = batch.images if batch.encoded else self.vision(batch.images)
            return self.mapper(features.to(self.mapper_dtype)).flatten(0, 1)

    @property
    def mapper_dtype(self) -> torch.dtype:
        return next(self.mapper.parameters()).dtype

    def embeddings(self, batch: Batch, prefix: Tensor) -> Tensor:
        """(B, L, dim): text embeddings with each prefix vector in its place."""
        text = self.language.embed(batch.tokens)
        there = batch.slots >= 0
        return text.index_put(there.nonzero(as_tuple=True), prefix[batch.slots[there]].to(text.dtype))

    def _target_nll(self, batch: Batch, prefix: Tensor) -> Tensor:
        """(targets,) NLL of every target token, in row-major order of the batch."""
        hidden = self.language.hidden(self.embeddings(batch, prefix), batch.lengths)
        labels = batch.labels[batch.real()]
        where = labels != IGNORE
        return target_nll(hidden[where], labels[where], self.language.head)

    def loss(self, batch: Batch) -> Loss:
        """Sum of the target tokens' negative log-likelihood, in nats, and their number.

        A batch without images or targets still has a loss, of 0, that reaches every trained parameter.
        """
        self._check_lengths(batch)
        prefix = self.prefix(batch)
        # Touches every trained parameter, whatever stands in the batch: no rank of DDP waits for its gradient.
        nll = sum(
            (p.sum() * 0.0 for part in self.trainable.values() for p in part.parameters()), prefix.sum() * 0.0
        )
        tokens = int((batch.labels != IGNORE).sum())
        if tokens:
            for chunk in batch.chunks(PASS):
                nll = nll + self._target_nll(chunk, prefix).sum()
        return Loss(nll, tokens)

    def _check_lengths(self, batch: Batch, more: int = 0) -> None:
        longest, limit = max(batch.lengths.tolist(), default=0) + more, self.language.max_positions
        if limit is not None and longest > limit:
            raise UserError(
                f"a prompt with its {'continuation' if more else 'target'} has {longest} positions, "
                f"{self.language.name} only {limit}; use fewer shots, a smaller k or "
                f"a smaller {'max_new_tokens' if more else 'max_target_tokens'}"
            )

    @torch.no_grad()
    def score(self, batch: Batch) -> Tensor:
        """(B,) log-probability, in nats, of each prompt's target (its end token included, unless cut)."""
        self._check_lengths(batch)
        prefix = self.prefix(batch)
        scores = torch.zeros(len(batch), device=prefix.device)
        for chunk in batch.chunks(PASS):
            row = (chunk.labels != IGNORE).nonzero(as_tuple=True)[0]
            scores.index_add_(0, chunk.index[row], -self._target_nll(chunk, prefix))
        return scores

    @torch.no_grad()
    def generate(
        self,
        batch: Batch,
        processor: Any,
        max_new_tokens: int = 32,
        stop: Sequence[str] = (),
        **options: Any,
    ) -> list[str]:
        """Continues each prompt: greedily, or as transformers' `generate` does with its own `options`.

        Args:
            batch: prompts; labels are not looked at.
            processor: the `Processor` that made it: its tokeniser decodes.
            max_new_tokens: length limit.
            stop: texts that end a continuation; they stay in it (`Template.answer` cuts them off).
            options: `num_beams`, `do_sample`, `temperature`, `top_p` …

        Raises:
            UserError: where a prompt with its continuation has more positions than the model.
        """
        if not len(batch):
            return []
        self._check_lengths(batch, max_new_tokens)
        inputs = self.embeddings(batch, self.prefix(batch))
        if options:
            tokens = self.language.sample(
                inputs, batch.lengths, processor.end, max_new_tokens=max_new_tokens, **options
            )
        else:
            markers = tuple(stop)
            ended = lambda ids: bool(markers) and any(marker in processor.decode(ids) for marker in markers)
            tokens = self.language.greedy(inputs, batch.lengths, max_new_tokens, ended, processor.end)
        return [processor.decode(ids) for ids in tokens]
