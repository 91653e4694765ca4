"""The contrastive objective: texts and images of pairs are embedded near each other, those of other pairs apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.objectives.objective import Objective
from frozenvl.objectives.step import Prepared, Step, refuse_moving_statistics
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.model.heads import EmbeddingHead

MAX_SCALE = 100.0
"""Largest factor of similarities (CLIP)."""


class Micro(NamedTuple):
    """What the preparation of a step leaves for one micro-batch."""

    total: float
    """Share of the micro-batch in the sum of the loss over the whole step."""
    texts: Tensor
    """Gradient (rows, dim) of that sum with respect to its text embeddings."""
    images: Tensor
    """Gradient (rows, dim) of that sum with respect to its image embeddings."""
    own: Mapping[str, Tensor]
    """Gradient of that sum with respect to the objective's own weights; empty but in one micro-batch of the step."""


class Contrastive(Objective):
    """Contrastive loss between the embeddings of images and texts over the whole optimiser step.

    Every pair of the step is compared with all others, on all ranks and in all accumulated micro-batches. The step is
    embedded once without gradients; then each micro-batch is embedded again, with the gradient of the loss with respect
    to its embeddings (gradient caching, Gao et al. 2021). So the loss and its gradient do not depend on how a step is
    divided, and a step takes the memory of one micro-batch.

    Texts of the same image, and equal texts of several images, are not negatives of each other. A validation compares
    the pairs of each of its batches (`data.eval_batch_size`).

    Args:
        head: name of the embedding head; by default the only one.
        loss: "infonce" is the mean of the cross-entropies of texts given an image and of images given a text (CLIP);
            "sigmoid" decides each combination of image and text by itself (SigLIP).
        temperature: first value of the trained temperature; by default 0.07, or 0.1 with "sigmoid".
        bias: first value of the trained bias of "sigmoid".
        weight: factor of this objective in the loss.
    """

    separate = True
    prepares = True
    undecayed = ("log_scale", "bias")

    def __init__(
        self,
        head: str | None = None,
        loss: Literal["infonce", "sigmoid"] = "infonce",
        temperature: float | None = None,
        bias: float = -10.0,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        temperature = {"infonce": 0.07, "sigmoid": 0.1}[loss] if temperature is None else temperature
        if not 1 / MAX_SCALE <= temperature < math.inf:
            raise UserError(
                f"model.objectives: temperature is {temperature}; give a number from {1 / MAX_SCALE:g}"
            )
        self.head, self.loss = head, loss
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        if loss == "sigmoid":
            self.bias = nn.Parameter(torch.tensor(float(bias)))

    def attach(self, model: FrozenVL) -> None:
        head = model.head(self.head)
        refuse_moving_statistics(model, "a contrastive loss")
        self._prompts = head.prompts

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """Returns the prompts that embed the target and the last image; none if the sample lacks one of them."""
        text = sample.target.strip()
        if not text or not sample.images:
            return ()
        prompts = self._prompts.of_text(text), self._prompts.of_image(sample.images[-1])
        return [Sample(sample.id, prompt) for prompt in prompts]

    def count(self, batch: Batch) -> int:
        """Returns the number of pairs."""
        return len(batch) // 2

    def prepare(self, step: Step) -> Prepared:
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(MAX_SCALE))
        embedded = [self._embed(step.run(micro)) for micro in range(len(step.batches))]
        sizes = [len(texts) for texts, _ in embedded]
        keys = [key for batch in step.batches for key in _keys(batch.of(step.name))]
        own = [torch.cat(part).cpu() for part in zip(*embedded, strict=True)]
        ranks = step.gather((*own, keys))
        before = sum(len(texts) for texts, _, _ in ranks[: step.rank])
        device = embedded[0][0].device
        texts, images = (torch.cat([each[side] for each in ranks]).to(device) for side in (0, 1))
        if len(texts) < 2:
            raise UserError(
                f"model.objectives.{step.name} compares the pairs of a step, and this one has {len(texts)}; raise "
                "data.batch_size"
            )
        total, grad_texts, grad_images, weights = self._gradients(
            texts, images, [key for *_, rows in ranks for key in rows]
        )
        micro: list[Micro] = []
        for place, size in enumerate(sizes):
            rows = slice(before, before + size)
            before += size
            own_weights = weights if not place and not step.rank else {}
            share = total * size / len(texts)
            micro.append(Micro(share, grad_texts[rows], grad_images[rows], own_weights))
        return Prepared(micro, sum(sizes))

    def total(self, run: Forward) -> Tensor:
        texts, images = self._embed(run)
        if run.prepared is None:
            return self._sum(texts, images, _keys(run.batch))
        prepared: Micro = run.prepared
        linear = (texts * prepared.texts).sum() + (images * prepared.images).sum()
        for name, gradient in prepared.own.items():
            linear = linear + self.get_parameter(name) * gradient
        return linear - linear.detach() + prepared.total  # its value is the share; its gradient is the loss's

    def sums(self, batch: Batch) -> dict[str, float]:
        return {"batches": 1.0, "temperature": 1 / self._scale().item()}

    def summary(self, loss: float, sums: Mapping[str, float]) -> dict[str, float]:
        return {"temperature": sums["temperature"] / max(sums["batches"], 1)}

    def _scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=MAX_SCALE)

    def _embed(self, run: Forward) -> tuple[Tensor, Tensor]:
        """Returns the embeddings (pairs, dim) of texts and of images; rows alternate between the two."""
        head: EmbeddingHead = run.model.head(self.head)
        texts, images = (run.on(run.batch.select(torch.arange(side, len(run.batch), 2))) for side in (0, 1))
        if not len(texts.batch):
            none = run.prefix.new_zeros(0, head.dim, dtype=torch.float32)
            return none, none
        return head.embed_texts(texts), head.embed_images(images)

    @torch.enable_grad()
    def _gradients(
        self, texts: Tensor, images: Tensor, keys: Sequence[tuple[str, str]]
    ) -> tuple[float, Tensor, Tensor, dict[str, Tensor]]:
        """Returns the sum of the loss and its gradients with respect to the embeddings and the objective's weights."""
        texts, images = texts.requires_grad_(), images.requires_grad_()
        own = dict(self.named_parameters())
        total = self._sum(texts, images, keys)
        of_texts, of_images, *of_own = torch.autograd.grad(total, [texts, images, *own.values()])
        return total.item(), of_texts, of_images, dict(zip(own, of_own, strict=True))

    def _sum(self, texts: Tensor, images: Tensor, keys: Sequence[tuple[str, str]]) -> Tensor:
        """Returns the sum of the loss over pairs.

        Args:
            texts: (n, dim) embeddings of texts, of length 1.
            images: (n, dim) embeddings of images, of length 1.
            keys: image and text of each pair, to find pairs that are not negatives of each other.
        """
        if not len(texts):
            return texts.sum()
        logits = self._scale() * images @ texts.T
        pairs = torch.eye(len(texts), dtype=torch.bool, device=texts.device)
        ignored = alike(keys).to(texts.device) & ~pairs
        if self.loss == "sigmoid":
            signs = 2.0 * pairs - 1
            return -logsigmoid(signs * (logits + self.bias)).masked_fill(ignored, 0.0).sum()
        logits = logits.masked_fill(ignored, float("-inf"))
        target = torch.arange(len(texts), device=texts.device)
        both = cross_entropy(logits, target, reduction="sum") + cross_entropy(
            logits.T, target, reduction="sum"
        )
        return both / 2


def alike(keys: Sequence[tuple[str, str]]) -> Tensor:
    """Returns (n, n), bool: which pairs have the same image or the same text.

    Args:
        keys: image and text of each pair.
    """
    same = torch.zeros(len(keys), len(keys), dtype=torch.bool)
    for column in zip(*keys, strict=True):
        number: dict[Any, int] = {}
        numbers = torch.tensor([number.setdefault(key, len(number)) for key in column])
        same |= numbers[:, None] == numbers[None]
    return same


def _keys(batch: Batch) -> list[tuple[str, str]]:
    """Returns image and text of each pair; rows of texts and images alternate."""
    last = batch.image_of.gather(1, batch.lengths[:, None] - 1)[:, 0].tolist()
    return [
        (batch.image_keys[last[row + 1]], " ".join(batch.texts[row].lower().split()))
        for row in range(0, len(batch), 2)
    ]
