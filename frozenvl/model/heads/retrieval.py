"""`Retrieval`, the head for image–text retrieval: linear projections of hidden states and of image features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from frozenvl.model.forward import Forward
from frozenvl.model.heads.head import EmbeddingHead, Prompts, States
from frozenvl.model.heads.marker import first_vector
from frozenvl.model.heads.pooling import Pool, check_layers, of_images, pooled_states
from frozenvl.model.heads.projection import Projection
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL


class Retrieval(EmbeddingHead):
    """Embeds texts by hidden states of the language model, images by features or hidden states (FROMAGe, E5-V).

    With the defaults a caption ends with a trained marker, whose last hidden state is projected, and an image's pooled
    features are projected (FROMAGe, section 3). Only the marker's vector is trained, never the embedding matrix.

    Args:
        dim: dimension of the embeddings.
        pool: positions of the text that are read: the marker behind it, the mean of all but the first, or the last.
        layers: layers that are read, side by side; 0 for the input embeddings, -1 for the last hidden states.
        images: "features" projects the encoder's features, averaged over their positions; "prompt" lets the language
            model read the image and projects its hidden state behind it (E5-V).
        text: wording of a text, with the field `{text}`.
        marker: name of the marker.
        norm: whether each pooled vector is normalised (LayerNorm without weights) before its projection.
        dropout: dropout rate of what is projected.
        standardize: whether each dimension of image features and text states is shifted and scaled to mean 0 and
            standard deviation 1 over the training data, before its projection. Needs both in the cache: a frozen
            encoder and pool "mean" or "last".
    """

    def __init__(
        self,
        dim: int = 256,
        pool: Pool = "marker",
        layers: Sequence[int] = (-1,),
        images: Literal["features", "prompt"] = "features",
        text: str = "{text}",
        marker: str = "[RET]",
        norm: bool = False,
        dropout: float = 0.0,
        standardize: bool = False,
    ) -> None:
        super().__init__()
        if dim < 1:
            raise UserError(f"model.heads: dim is {dim}; give 1 or more")
        if not layers:
            raise UserError("model.heads: layers is empty; name at least one, such as -1")
        if text.count("{text}") != 1:
            raise UserError(f"model.heads: text is {text!r}; it has to contain {{text}} once")
        if images == "prompt" and pool == "mean":
            raise UserError(
                "model.heads: with pool mean an image cannot be read by a prompt; use pool marker or last, or images "
                "features"
            )
        if standardize and (pool == "marker" or images == "prompt"):
            raise UserError(
                "model.heads: standardize needs states that no trained weight changes; use pool mean or last with "
                "images features, or leave it out"
            )
        self.dim, self.pool, self.layers = dim, pool, tuple(layers)
        self.reads_features = images == "features"
        self.norm, self.dropout, self.standardize = norm, dropout, standardize
        self.measures = standardize
        self.prompts = Prompts(
            text, marker if pool == "marker" else "", pool == "marker" and images == "prompt"
        )

    def attach(self, model: FrozenVL) -> None:
        language = model.language
        check_layers(self.layers, language)
        project = lambda parts, width: Projection(
            parts, width, self.dim, self.norm, self.dropout, self.standardize
        )
        self.project_text = project(len(self.layers), language.dim)
        image = (1, model.vision.channels) if self.reads_features else (len(self.layers), language.dim)
        self.project_image = project(*image)
        if self.pool == "marker":
            self.vector = nn.Parameter(first_vector(model))

    def identity(self) -> dict[str, Any]:
        """Returns the settings that the weights' shapes do not tell."""
        return {"reads": f"{self.pool} {list(self.layers)} {self.norm} {self.prompts.text}"}

    def markers(self) -> dict[str, Tensor]:
        return {self.prompts.marker: self.vector} if self.prompts.marker else {}

    def texts(self, run: Forward) -> Tensor:
        states = self.text_states(run.batch.texts) if self.text_states else None
        return self.project_text(
            self.states_of(run) if states is None else states.to(run.batch.lengths.device)
        )

    def images(self, run: Forward) -> Tensor:
        if not self.reads_features:
            return self.project_image(pooled_states(run, self.layers, self.pool))
        return of_images(run.batch, self.project_image(run.features.float().mean(1, keepdim=True)))

    def states(self, model: FrozenVL) -> States | None:
        if self.pool == "marker" or model.tuning is not None:
            return None
        key = f"{self.pool} {self.layers} {self.prompts.text!r}"
        return States(key, (len(self.layers), model.language.dim))

    def measure(self, features: Iterable[Tensor], states: Iterable[Tensor]) -> None:
        if not self.standardize:
            return
        for what, projection, batches in (
            (
                "image features",
                self.project_image,
                (batch.float().mean(1, keepdim=True) for batch in features),
            ),
            ("text states", self.project_text, iter(states)),
        ):
            first = next(batches, None)
            if first is None:
                raise UserError(
                    f"model.heads: standardize needs cached {what}; freeze the encoder, drop model.tuning and set "
                    "data.cache_features to true, or leave standardize out"
                )
            projection.measure(chain([first], batches))

    def states_of(self, run: Forward) -> Tensor:
        return pooled_states(run, self.layers, self.pool)
