"""`Drawing`, the head that turns hidden states of a text into latents of the model's autoencoder (GILL)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from frozenvl.model.forward import Forward
from frozenvl.model.heads.head import Head, Prompts, States
from frozenvl.model.heads.latent_transformer import LatentTransformer
from frozenvl.model.heads.marker import first_vector
from frozenvl.model.heads.pooling import Pool, check_layers, marker_states, pooled_states
from frozenvl.model.heads.projection import Standardize
from frozenvl.prompt import Marker, Prompt
from frozenvl.util.errors import UserError
from frozenvl.util.seeds import seed_from

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL

MARKER_NOISE = 0.1
"""Length of the noise by which first vectors of markers differ, as a share of their length."""


class Drawing(Head):
    """Draws a picture from a text: states of the frozen language model → small transformer → latents → decoder.

    The model's vision encoder has to be a frozen `Autoencoder`, whose latents of the training images are the targets.
    If they are codes (`levels`), they are predicted one after another, and drawn at random. Otherwise they are
    predicted at once, by their squared error, in units of their standard deviation (GILL, Koh et al. 2023).

    Args:
        markers: number of trained markers behind the text, whose states are read with `pool` "marker".
        pool: positions of the text that are read: the markers (GILL), the mean of all but the first, or the last. The
            states of the latter two are computed once and cached, so that training does not run the language model.
        layers: layers that are read; 0 for the input embeddings, -1 for the last hidden states. Each layer and marker
            gives a state.
        text: wording of a text, with the field `{text}`.
        dim: dimension of the transformer.
        depth: number of its encoder layers, and of its decoder layers.
        heads: number of its attention heads.
        dropout: dropout rate in it.
    """

    def __init__(
        self,
        markers: int = 8,
        pool: Pool = "marker",
        layers: Sequence[int] = (-1,),
        text: str = "{text}",
        dim: int = 256,
        depth: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(markers, dim, depth, heads) < 1:
            raise UserError("model.heads: markers, dim, depth and heads start at 1")
        if dim % heads:
            raise UserError(
                f"model.heads: dim is {dim}, which {heads} heads do not divide; change one of them"
            )
        if not layers:
            raise UserError("model.heads: layers is empty; name at least one, such as -1")
        if text.count("{text}") != 1:
            raise UserError(f"model.heads: text is {text!r}; it has to contain {{text}} once")
        if not 0 <= dropout < 1:
            raise UserError(f"model.heads: dropout is {dropout}; give a share from 0 to below 1")
        self.pool, self.layers, self.prompts = pool, tuple(layers), Prompts(text)
        self.number = markers if pool == "marker" else 0
        self.dim, self.depth, self.heads, self.dropout = dim, depth, heads, dropout

    def attach(self, model: FrozenVL) -> None:
        language, vision = model.language, model.autoencoder
        check_layers(self.layers, language)
        vision.check_decodes()
        self.codes = vision.quantization is not None
        out = vision.channels if vision.quantization is None else vision.quantization.codes
        self.draw = LatentTransformer(
            language.dim, vision.tokens, out, self.codes, self.dim, self.depth, self.heads, self.dropout
        )
        if not self.codes:
            self.standardize = Standardize(vision.tokens, vision.channels)
            self.measures = True
        if self.number:
            first = first_vector(model)
            noise = torch.randn(self.number, language.dim) * MARKER_NOISE / language.dim**0.5
            self.vectors = nn.Parameter(first + first.norm() * noise)

    def identity(self) -> dict[str, Any]:
        """Returns the settings that the weights' shapes do not tell."""
        return {"reads": f"{self.pool} {list(self.layers)} {self.prompts.text} {self.heads}"}

    def markers(self) -> dict[str, Tensor]:
        return {f"[IMG{number}]": self.vectors[number : number + 1] for number in range(self.number)}

    def prompt(self, text: str) -> Prompt:
        """Returns the prompt that the head reads to draw a text."""
        return (self.prompts.text.replace("{text}", text), *map(Marker, self.markers()))

    def states(self, model: FrozenVL) -> States | None:
        if self.pool == "marker" or model.tuning is not None:
            return None
        key = f"{self.pool} {self.layers} {self.prompts.text!r}"
        return States(key, (len(self.layers), model.language.dim))

    def states_of(self, run: Forward) -> Tensor:
        """Returns the states (rows, r, dim) that the transformer reads, in fp32."""
        if self.pool == "marker":
            return marker_states(run, self.layers).flatten(1, 2)
        return pooled_states(run, self.layers, self.pool)

    def read(self, run: Forward) -> Tensor:
        """Returns the states (rows, r, dim) of each row's text, from the cache if there is one."""
        states = self.text_states(run.batch.texts) if self.text_states else None
        return self.states_of(run) if states is None else states.to(run.batch.lengths.device)

    def measure(self, features: Iterable[Tensor], states: Iterable[Tensor]) -> None:
        if self.codes or self.standardize.is_measured:
            return
        batches = iter(features)
        if (first := next(batches, None)) is None:
            raise UserError(
                "model.heads: Drawing needs the cached features of all training images; set data.cache_features to true"
            )
        self.standardize.measure(chain([first], batches))

    def loss(self, run: Forward, latents: Tensor) -> Tensor:
        """Returns the loss (rows,) of drawing each row's text as given latents (rows, tokens, channels).

        It is the mean over the latents: the negative log-likelihood of their codes in nats, or the squared error in
        units of the standard deviation.
        """
        states, latents = self.read(run), latents.float()
        vision = run.model.autoencoder
        with run.randomness("drawing"):
            if vision.quantization is not None:
                codes = vision.quantization.to_codes(latents.transpose(1, 2))
                logits = self.draw(states, codes).float()
                return cross_entropy(logits.transpose(1, 2), codes, reduction="none").mean(1)
            return (self.draw(states).float() - self.standardize(latents)).pow(2).mean((1, 2))

    @torch.no_grad()
    def latents(self, run: Forward, seed: int = 0, temperature: float = 1.0) -> Tensor:
        """Returns latents (rows, tokens, channels) of a picture for each row's text.

        Args:
            run: pass whose rows are worded by `prompt`.
            seed: seed of codes that are drawn at random. A text's codes do not depend on the other rows.
            temperature: temperature of codes; 0 takes the most likely ones.
        """
        states, vision = self.read(run), run.model.autoencoder
        if vision.quantization is None:
            mean, deviation = self.standardize.mean, self.standardize.deviation
            return self.draw(states).float() * deviation + mean
        chances = torch.stack(
            [torch.rand(self.draw.tokens, generator=_generator(seed, text)) for text in run.batch.texts]
        )

        def choose(position: int, logits: Tensor) -> Tensor:
            if temperature == 0:
                return logits.argmax(-1)
            below = (logits / temperature).softmax(-1).double().cumsum(-1)
            drawn = chances[:, position, None].to(below)
            return torch.searchsorted(below, drawn * below[:, -1:]).clamp(max=logits.shape[1] - 1)[:, 0]

        codes = self.draw.drawn(states, choose)
        return vision.quantization.to_latents(codes).transpose(1, 2)


def _generator(seed: int, text: str) -> torch.Generator:
    return torch.Generator().manual_seed(seed_from("drawing", seed, text))
