"""Cross-entropy over a large vocabulary in chunks. The logits are not kept for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

ROWS = 256
"""Number of positions whose logits exist at a time."""
NEAR = 32
"""Number of positions whose probabilities exist at a time. They fit the CPU cache, which more than halves the time."""
TINY = 1e-30
"""Smallest probability whose logarithm is taken directly. Smaller ones lose precision and become 0."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Runs the head and its gradient together, chunk by chunk; keeps only the gradient at the hidden states."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor], smoothing: float
    ) -> Tensor:
        losses, grads = [], []
        for piece, targets in zip(hidden.split(ROWS), labels.split(ROWS), strict=True):
            with torch.enable_grad():
                rows = piece.detach().requires_grad_(ctx.needs_input_grad[0])
                logits = head(rows)
            loss, grad = nll_and_gradient(logits.detach(), targets, smoothing)
            losses.append(loss)
            if ctx.needs_input_grad[0]:
                grads += torch.autograd.grad(logits, rows, grad)
        if grads:
            ctx.save_for_backward(torch.cat(grads))
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (saved,) = ctx.saved_tensors
        return saved * grad[:, None].to(saved.dtype), None, None, None


def nll_and_gradient(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """Returns the NLL (n,) of labels (n,), and its gradient at the logits (n, vocabulary).

    One softmax serves both. A cross-entropy with its backward pass would read the logits three times as often.

    Args:
        logits: (n, vocabulary)
        labels: (n,)
        smoothing: share of the target probability that is spread evenly over the vocabulary.
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
        residual = probabilities.scatter_(1, column, likely - (1 - smoothing))
        if smoothing:
            # NLL averaged over the vocabulary: log Σ exp(logits) - mean logit
            wide_piece = piece.to(wide)
            label_logit = wide_piece.gather(1, column)[:, 0]
            nll = nll + smoothing * (label_logit - wide_piece.mean(-1))
            residual -= smoothing / piece.shape[-1]
        into.copy_(residual)
        losses.append(nll)
    return torch.cat(losses), gradient


def _nll(hidden: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor], smoothing: float) -> Tensor:
    logits = head(hidden)
    wide = torch.promote_types(logits.dtype, torch.float32)
    return torch.nn.functional.cross_entropy(
        logits.to(wide), labels, reduction="none", label_smoothing=smoothing
    )


def target_nll(
    hidden: Tensor,
    labels: Tensor,
    head: Callable[[Tensor], Tensor],
    trained: bool = False,
    smoothing: float = 0.0,
) -> Tensor:
    """Returns the negative log-likelihood, in nats, of each label.

    Args:
        hidden: (n, dim) last hidden states of the positions with a target.
        labels: (n,) target tokens.
        head: function from hidden states (m, dim) to logits (m, vocabulary).
        trained: whether the head's own weights need a gradient; the logits are then computed twice.
        smoothing: share of the target probability that is spread evenly over the vocabulary (label smoothing).

    Returns:
        (n,)
    """
    if trained:
        pieces = zip(hidden.split(ROWS), labels.split(ROWS), strict=True)
        return torch.cat([checkpoint(_nll, *piece, head, smoothing, use_reentrant=False) for piece in pieces])
    return _ChunkedCrossEntropy.apply(hidden, labels, head, smoothing)
