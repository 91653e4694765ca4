"""The reconstruction objective: the language model's states at the prefix keep what the encoder saw."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.objectives.objective import Objective
from frozenvl.objectives.step import Prepared, Step
from frozenvl.util.errors import UserError


class Reconstruction(Objective):
    """Distance between the encoder's features and their reconstruction from hidden states at the image's positions.

    A trained map reads the language model's states at the `k` positions of an image. It is thrown away after training:
    its gradient makes the mapper keep more of the image. The k states are read side by side and give all features; with
    as many positions as feature vectors (k = tokens) each state gives its own feature vector, by one map. States are
    normalised first (LayerNorm without weights). Features are the target as they are, without a gradient.

    In a causal language model these states do not depend on the caption, so the pass of the captioning objective is
    used again; a `layer` other than the last takes a pass of its own. The denominator is the number of images of the
    optimiser step. An image of several rows counts once: each of its places in a prompt has an equal share.

    Args:
        distance: "l2" is the squared difference, averaged over an image's features; "cosine" is 1 − cosine, averaged
            over an image's feature vectors.
        layer: layer whose states are read; 0 for the input embeddings, -1 for the last hidden states.
        hidden: width of a hidden layer (GELU) of the map; by default the map is linear.
        weight: factor of this objective in the loss.
    """

    prepares = True

    def __init__(
        self,
        distance: Literal["l2", "cosine"] = "l2",
        layer: int = -1,
        hidden: int | None = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        if distance not in ("l2", "cosine"):
            raise UserError(f"model.objectives: distance is {distance!r}; give l2 or cosine")
        if hidden is not None and hidden < 1:
            raise UserError(
                f"model.objectives: hidden is {hidden}; give 1 or more, or leave it out for a linear map"
            )
        self.distance, self.layer, self.hidden = distance, layer, hidden

    def attach(self, model: FrozenVL) -> None:
        language, vision, self.k = model.language, model.vision, model.k
        if model.fusion.places(model.k) != model.k:
            raise UserError(
                f"model.objectives: a reconstruction reads the image's positions in the prompt, and the fusion "
                f"{type(model.fusion).__name__} does not have {model.k} of them; use Concat, or drop the objective"
            )
        if model.views.joint:
            raise UserError(
                "model.objectives: a reconstruction reads the positions of each frame, and with "
                f"{type(model.temporal).__name__} all frames have the same; use FrameEmbedding, or drop the objective"
            )
        if not -1 <= self.layer <= language.depth:
            raise UserError(
                f"model.objectives: layer {self.layer}, but {language.name} has {language.depth}; name 0 (the "
                f"embeddings) to {language.depth}, or -1 (the last hidden states)"
            )
        self.shape = vision.tokens, vision.channels
        read, made = (1, 1) if vision.tokens == model.k else (model.k, vision.tokens)
        width, out = read * language.dim, made * vision.channels
        self.norm = nn.LayerNorm(language.dim, elementwise_affine=False)
        self.map = (
            nn.Linear(width, out)
            if self.hidden is None
            else nn.Sequential(nn.Linear(width, self.hidden), nn.GELU(), nn.Linear(self.hidden, out))
        )

    def reconstructed(self, states: Tensor) -> Tensor:
        """Returns the features (images, tokens, channels) that states (images, k, dim) are mapped to."""
        states = self.norm(states.float())
        read = states if self.k == self.shape[0] else states.flatten(1)
        return self.map(read).reshape(len(states), *self.shape)

    def errors(self, found: Tensor, features: Tensor) -> Tensor:
        """Returns the distance (images,) between two sets of features (images, tokens, channels)."""
        if self.distance == "l2":
            return (found - features).pow(2).mean((1, 2))
        return (1 - cosine_similarity(found, features, dim=2)).mean(1)

    def prepare(self, step: Step) -> Prepared:
        """Counts how often the step shows each image; nothing is computed."""
        batches = [batch.of(step.name) for batch in step.batches]
        seen = [key for batch in batches for key in self._shown(batch)]
        times = Counter(key for keys in step.gather(seen) for key in keys)
        return Prepared([shares(batch, times) for batch in batches], sum(1 / times[key] for key in seen))

    def count(self, batch: Batch) -> int:
        """Returns the number of different images that the rows show."""
        return len(set(self._shown(batch)))

    def total(self, run: Forward) -> Tensor:
        batch, total = run.batch, run.prefix.new_zeros((), dtype=torch.float32)
        if batch.stage == "prefixes":
            raise UserError(
                "model.objectives: a reconstruction needs the encoder's features, and this run has prefix vectors "
                "alone; keep features in place of prefix vectors"
            )
        seen = self._shown(batch)
        if not seen:
            return total
        share = shares(batch, Counter(seen)) if run.prepared is None else run.prepared
        share, features = share.to(run.features.device), batch.per_view(run.features.detach().float())
        for chunk, states in run.states((self.layer,)):
            slots = chunk.slots[chunk.real()]
            in_image = slots >= 0
            # An image's positions follow one another, so k slots are one image.
            image = slots[in_image][:: self.k] // self.k
            if len(image):
                read = states[in_image][:, 0].reshape(len(image), self.k, -1)
                errors = self.errors(self.reconstructed(read), features[image])
                total = total + (errors * share[image]).sum()
        return total

    def _shown(self, batch: Batch) -> list[str]:
        """Returns the identifier of each image in each row, by order of rows and places."""
        slots = batch.slots[batch.slots >= 0].tolist()
        return [batch.image_keys[slot // self.k] for slot in slots[:: self.k]]


def shares(batch: Batch, times: Counter[str]) -> Tensor:
    """Returns the share (N,) that each place of an image has in the loss of the image.

    Args:
        batch: batch with N images.
        times: number of places of each image, by identifier.
    """
    return torch.tensor([1 / max(times[key], 1) for key in batch.image_keys])
