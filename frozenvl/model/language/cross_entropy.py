"""Cross-entropy over a large vocabulary without keeping its logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

ROWS = 256
"""Positions whose logits exist at a time."""
NEAR = 32
"""Positions whose probabilities do: they stay in the processor's cache, which more than halves their time."""
TINY = 1e-30
"""Probabilities below lose digits, and at last become 0."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The head and its gradient run together, chunk by chunk; only the gradient at the hidden states is kept."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
        losses, grads = [], []
        for piece, targets in zip(hidden.split(ROWS), labels.split(ROWS), strict=True):
            with torch.enable_grad():
                rows = piece.detach().requires_grad_(ctx.needs_input_grad[0])
                logits = head(rows)
            loss, grad = nll_and_gradient(logits.detach(), targets)
            losses.append(loss)
            if ctx.needs_input_grad[0]:
                grads += torch.autograd.grad(logits, rows, grad)
        if grads:
            ctx.save_for_backward(torch.cat(grads))
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (saved,) = ctx.saved_tensors
        return saved * grad[:, None].to(saved.dtype), None, None


def nll_and_gradient(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(n, vocabulary) logits → (n,) NLL and its gradient (n, vocabulary).

    One softmax serves both; with a cross-entropy and its backward pass the vocabulary is walked three times as often.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    gradient, losses = torch.empty_like(logits), []
    pieces = zip(logits.split(NEAR), labels.split(NEAR), gradient.split(NEAR), strict=True)
    for piece, targets, into in pieces:
        probabilities, column = piece.softmax(-1, dtype=wide), targets[:, None]
        likely = probabilities.gather(1, column)
        nll = -likely.log()[:, 0]
        if (rare := likely[:, 0] < TINY).any():
            nll[rare] = torch.nn.functional.cross_entropy(
                piece[rare].to(wide), targets[rare], reduction="none"
            )
        into.copy_(probabilities.scatter_(1, column, likely - 1))
        losses.append(nll)
    return torch.cat(losses), gradient


def _nll(hidden: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
    logits = head(hidden)
    wide = torch.promote_types(logits.dtype, torch.float32)
    return torch.nn.functional.cross_entropy(logits.to(wide), labels, reduction="none")


def target_nll(
    hidden: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor], trained: bool = False
) -> Tensor:
    """Negative log-likelihood, in nats, of each label.

    Args:
        hidden: (n, dim) last hidden states of the positions that predict.
        labels: (n,) the tokens that they predict.
        head: (m, dim) → (m, vocabulary) logits.
        trained: whether the head's own weights need a gradient; then its logits are computed twice.

    Returns:
        (n,)
    """
    if trained:
        pieces = zip(hidden.split(ROWS), labels.split(ROWS), strict=True)
        return torch.cat([checkpoint(_nll, *piece, head, use_reentrant=False) for piece in pieces])
    return _ChunkedCrossEntropy.apply(hidden, labels, head)
