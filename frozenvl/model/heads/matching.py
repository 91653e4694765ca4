"""`Matching`, the head for image–text matching: the logit of a text fitting the image before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from frozenvl.model.forward import Forward
from frozenvl.model.heads.head import Head
from frozenvl.model.heads.marker import first_vector
from frozenvl.model.heads.pooling import Pool, check_layers, pooled_states
from frozenvl.model.heads.projection import Projection
from frozenvl.prompt import Image, Marker, Prompt
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL


class Matching(Head):
    """Tells whether a text fits an image by hidden states of the language model, which has read both (ALBEF, BLIP).

    With the defaults the prompt is the image, the text and a trained marker, whose last hidden state a linear layer
    reads. The objective `Matching` trains it.

    Args:
        pool: positions that are read: the marker, the mean of all but the first, or the last.
        layers: layers that are read, side by side; 0 for the input embeddings, -1 for the last hidden states.
        text: wording of a text behind its image, with the field `{text}`.
        marker: name of the marker.
        norm: whether each pooled vector is normalised (LayerNorm without weights) before it is read.
        dropout: dropout rate of what is read.
        hidden: width of a hidden layer; 0 for none.
    """

    def __init__(
        self,
        pool: Pool = "marker",
        layers: Sequence[int] = (-1,),
        text: str = "{text}",
        marker: str = "[MATCH]",
        norm: bool = False,
        dropout: float = 0.0,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        if not layers:
            raise UserError("model.heads: layers is empty; name at least one, such as -1")
        if text.count("{text}") != 1:
            raise UserError(f"model.heads: text is {text!r}; it has to contain {{text}} once")
        if hidden < 0:
            raise UserError(f"model.heads: hidden is {hidden}; give a width, or 0 for no hidden layer")
        self.pool, self.layers = pool, tuple(layers)
        self.norm, self.dropout, self.hidden = norm, dropout, hidden
        self.text, self.marker = text, marker if pool == "marker" else ""

    def attach(self, model: FrozenVL) -> None:
        language = model.language
        check_layers(self.layers, language)
        width = self.hidden or 1
        self.read = Projection(len(self.layers), language.dim, width, self.norm, self.dropout)
        self.decide = nn.Sequential(nn.GELU(), nn.Linear(width, 1)) if self.hidden else nn.Identity()
        if self.marker:
            self.vector = nn.Parameter(first_vector(model))

    def identity(self) -> dict[str, Any]:
        """Returns the settings that the weights' shapes do not tell."""
        return {"reads": f"{self.pool} {list(self.layers)} {self.norm} {self.text}"}

    def markers(self) -> dict[str, Tensor]:
        return {self.marker: self.vector} if self.marker else {}

    def prompt(self, image: Image, text: str) -> Prompt:
        """Returns the prompt that the head reads to judge a pair."""
        end = (Marker(self.marker),) if self.marker else ()
        return (image, self.text.replace("{text}", text), *end)

    def logits(self, run: Forward) -> Tensor:
        """Returns the log-odds (rows,), in fp32, of each row's text fitting its image. Rows are worded by `prompt`."""
        states = pooled_states(run, self.layers, self.pool)
        with run.randomness("matching"):
            return self.decide(self.read(states))[:, 0].float()
