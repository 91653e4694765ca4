"""Attention of each word over the positions of the image and of the prompt; it is no attribution (docs/explain.md)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from frozenvl.analysis.method import Maps, Method, Progress, silent
from frozenvl.analysis.places import places_at
from frozenvl.analysis.target import TargetFunction
from frozenvl.model.batch import IGNORE
from frozenvl.model.language.attention_weights import attention_weights
from frozenvl.util.errors import UserError

Reduction: TypeAlias = Literal["mean", "rollout"]
"""How layers are joined: their mean, or attention rollout (Abnar & Zuidema 2020, arXiv:2005.00928)."""


class Weights(NamedTuple):
    """Attention of the values' texts over positions."""

    weights: Tensor
    """(layers, heads, targets, positions): the mean over the tokens of each word, or of the text; rows sum to 1."""
    labels: tuple[str, ...]
    """Name of each position: `soft prompt`, `image 1`, or the text of a token."""
    image: Tensor
    """(positions,) index of the prefix vector of the explained image at each position; -1 elsewhere."""


class Attention(Method):
    """Attention from the positions that predict a word to those of the image.

    Args:
        layers: how layers are joined: `mean`, `rollout`, or the number of one layer, from 0; negative ones count from
            the last.
        head: number of a head; by default the mean of all.
        sinks: whether the first position counts. Language models use it as an attention sink, whatever stands there.
            Without it, the other positions' weights are scaled to sum to 1.
    """

    name = "attention"

    def __init__(
        self, layers: Reduction | int = "mean", head: int | None = None, sinks: bool = False
    ) -> None:
        if layers not in ("mean", "rollout") and not isinstance(layers, int):
            raise UserError(f"layers is {layers!r}; it is mean, rollout, or the number of a layer")
        self.layers, self.head, self.sinks = layers, head, sinks

    def maps(self, function: TargetFunction, progress: Progress = silent) -> Maps:
        check_positions(function)
        if function.target.against:
            raise UserError("attention has no log-odds: leave out --against, or explain by occlusion")
        places = places_at(function, "prefix")
        whole = square(function)
        row = self._joined(whole)[rows_of(function)]
        made = attended(function, row[None, None])
        share = made.weights[0, 0]  # (targets, positions)
        sink = share[:, 0].clone()
        if not self.sinks:
            share = share.clone()
            share[:, 0] = 0
            share /= share.sum(1, keepdim=True).clamp(min=1e-12)
        maps = torch.zeros(len(share), places.side**2 + 1)
        cell_of = places.cell_of[made.image.clamp(min=0)].masked_fill(made.image < 0, -1)
        maps = maps.index_add(1, cell_of % maps.shape[1], share)[:, :-1]
        of_heads = attended(function, whole[:, :, rows_of(function)]).weights
        of_layers = of_heads.mean(1)  # (layers, targets, positions)
        progress(1, 1)
        return Maps(
            values=maps.unflatten(1, (places.side, places.side)),
            names=function.names,
            method=self.name,
            settings={"layers": self.layers, "head": self.head, "sinks": self.sinks},
            unit="share of attention",
            facts={
                "positions": list(made.labels),
                "weights": [[round(weight, 6) for weight in weights] for weights in share.tolist()],
                "first position": sink.tolist(),
                "image by layer": of_layers[..., made.image >= 0].sum(-1).T.tolist(),
            },
        )

    def _joined(self, weights: Tensor) -> Tensor:
        """Returns the joined weights (T, T) of square ones (layers, heads, T, T)."""
        depth, heads = weights.shape[:2]
        if self.head is not None and not -heads <= self.head < heads:
            raise UserError(f"head is {self.head}, and a layer has {heads}; choose one from 0 to {heads - 1}")
        if isinstance(self.layers, int) and not -depth <= self.layers < depth:
            raise UserError(
                f"layers is {self.layers}, and the model has {depth}; choose one from 0 to {depth - 1}"
            )
        of_layers = weights.mean(1) if self.head is None else weights[:, self.head]
        if isinstance(self.layers, int):
            return of_layers[self.layers]
        return of_layers.mean(0) if self.layers == "mean" else rollout(of_layers)


def rollout(weights: Tensor) -> Tensor:
    """Returns the attention rollout (T, T) of layers (layers, T, T): the product of (A + I) / 2 of each.

    Half of each layer's input passes it by (the residual connection).
    """
    joined = torch.eye(weights.shape[-1])
    for layer in weights:
        joined = (layer + torch.eye(len(layer))) / 2 @ joined
    return joined


def check_positions(function: TargetFunction) -> None:
    """Raises `UserError` if image vectors are not among the text."""
    model = function.model
    if model.fusion.places(model.k) != model.k:
        raise UserError(
            f"with {type(model.fusion).__name__} the image's vectors are not among the text, so no position attends to "
            "them there; explain by occlusion"
        )


def square(function: TargetFunction) -> Tensor:
    """Returns the attention weights (layers, heads, T, T) of the prompt with the text, on the CPU.

    T counts a soft prompt too. Learned keys and values in front have no queries of their own: their rows are the
    identity.
    """
    model, batch = function.model, function.batch.select(torch.tensor([0]))
    prefix = model.run(function.batch).prefix
    conditioning = model.conditioning(batch, model.conditioner(prefix))
    length = int(batch.lengths[0])
    with torch.no_grad():
        embeddings = model.embeddings(batch, prefix)[:, :length]
    weights = attention_weights(model.language, embeddings, conditioning).cpu()
    before = weights.shape[-1] - weights.shape[-2]
    first = torch.eye(before, weights.shape[-1]).expand(*weights.shape[:2], -1, -1)
    return torch.cat([first, weights], dim=-2)


def rows_of(function: TargetFunction) -> Tensor:
    """Returns the positions (tokens,) that predict the text's tokens, a soft prompt counted."""
    labels = function.batch.labels[0]
    return (labels != IGNORE).nonzero()[:, 0].cpu() + function.model.language.soft_prompt_length


def attended(function: TargetFunction, weights: Tensor) -> Weights:
    """Returns the attention of each value's text.

    Args:
        function: target function.
        weights: (layers, heads, tokens, positions) attention of the positions that predict the text's tokens.
    """
    groups: list[Any] = [list(word.tokens) for word in function.words]
    if not function.target.each_word:
        groups = [slice(None)]
    made = torch.stack([weights[:, :, group].mean(2) for group in groups], dim=2)
    batch, before = function.batch, function.model.language.soft_prompt_length
    length = int(batch.lengths[0])
    tokens, slots = batch.tokens[0, :length].tolist(), batch.slots[0, :length].cpu()
    k = function.model.k
    decode = function.processor.tokenizer.decode
    labels = [
        f"image {slot // k + 1}" if slot >= 0 else str(decode([token]))
        for token, slot in zip(tokens, slots.tolist(), strict=True)
    ]
    own = (slots >= function.place * k) & (slots < (function.place + 1) * k)
    image = torch.where(own, slots - function.place * k, -1)
    image = torch.cat([image.new_full((before,), -1), image])
    return Weights(made, ("soft prompt",) * before + tuple(labels), image)
