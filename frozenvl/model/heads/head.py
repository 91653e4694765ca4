"""`Head`, the interface of all heads, and `EmbeddingHead`, of those that embed texts and images in one space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from torch import Tensor
from torch.nn.functional import normalize

from frozenvl.model.forward import Forward
from frozenvl.model.part import Part
from frozenvl.prompt import Image, Marker, Prompt
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL


class TextStates(Protocol):
    """Store of text representations that were computed before: texts → (n, …), or None if one of them is missing."""

    def __call__(self, texts: Sequence[str]) -> Tensor | None: ...


class States(NamedTuple):
    """Representation of texts that depends on no trained weight, so that it can be cached."""

    key: str
    """Everything that it depends on besides the text and the language model."""
    shape: tuple[int, int]
    """Shape of a text's representation: (vectors, dim)."""


@dataclass(frozen=True)
class Prompts:
    """Prompts by which a head embeds texts and images.

    Args:
        text: wording of a text, with the field `{text}`.
        marker: name of the marker behind a text; none if empty.
        marks_images: whether the marker also stands behind an image.
    """

    text: str = "{text}"
    marker: str = ""
    marks_images: bool = False

    def of_text(self, text: str) -> Prompt:
        """Returns the prompt that embeds a text."""
        return (self.text.replace("{text}", text), *self._end(bool(self.marker)))

    def of_image(self, image: Image) -> Prompt:
        """Returns the prompt that embeds an image."""
        return (image, *self._end(self.marks_images))

    def _end(self, marked: bool) -> Prompt:
        return (Marker(self.marker),) if marked else ()


class Head(Part, ABC):
    """Base class of heads: trained weights that read the model's states, beside the one that predicts tokens."""

    prompts: Prompts = Prompts()
    """Wording of the texts that the head reads."""
    text_states: TextStates | None = None
    """Text representations computed before the run, for heads that have `states`."""
    measures: bool = False
    """True if `measure` needs the features of all training images before the first step."""

    @abstractmethod
    def attach(self, model: FrozenVL) -> None:
        """Creates weights of the model's dimensions. It is called once and must not store the model.

        Raises:
            UserError: if the head does not suit the model.
        """

    def markers(self) -> dict[str, Tensor]:
        """Returns the trained input vectors (1, dim) of the head's markers, by name."""
        return {}

    def states(self, model: FrozenVL) -> States | None:
        """Returns the text representation that can be cached; None if a trained weight changes it (the default)."""
        return None

    def measure(self, features: Iterable[Tensor], states: Iterable[Tensor]) -> None:
        """Measures statistics of the training data before the first step of a fit; by default none.

        Args:
            features: batches of the features (n, tokens, channels) of training images; none if they are not cached.
            states: batches of the representations (n, *shape) of training texts; none if they are not cached.

        Raises:
            UserError: if the head needs what is not cached.
        """

    def states_of(self, run: Forward) -> Tensor:
        """Returns the representation (rows, *shape) of each row's text, in fp32.

        Raises:
            NotImplementedError: if the head has no `states`.
        """
        raise NotImplementedError


class EmbeddingHead(Head):
    """Base class of embedding heads. A subclass sets `dim` and implements `attach`, `texts` and `images`.

    Similarity of a text and an image is the cosine of their embeddings.
    """

    dim: int
    """Dimension of the embeddings."""
    reads_features: bool = True
    """True if images are embedded from the encoder's features, False if through the language model."""

    @abstractmethod
    def texts(self, run: Forward) -> Tensor:
        """Returns the projection (rows, dim) of each row's text."""

    @abstractmethod
    def images(self, run: Forward) -> Tensor:
        """Returns the projection (rows, dim) of the last image of each row; of a video, the mean over its frames."""

    def embed_texts(self, run: Forward) -> Tensor:
        """Returns the embedding (rows, dim) of each row's text: fp32, of length 1."""
        with run.randomness("texts"):
            return normalize(self.texts(run).float(), dim=-1)

    def embed_images(self, run: Forward) -> Tensor:
        """Returns the embedding (rows, dim) of the last image of each row: fp32, of length 1."""
        with run.randomness("images"):
            return normalize(self.images(run).float(), dim=-1)


def named(heads: Mapping[str, Head], kind: type, what: str, name: str | None, example: str) -> Any:
    """Returns the head of a kind and a name, or the only one of the kind.

    Args:
        heads: heads of the model by name.
        kind: kind of the head.
        what: name of the kind, for messages.
        name: name of the head; None for the only one.
        example: hint at a configuration that trains such a head, for messages.

    Raises:
        UserError: if there is none of the name, none of the kind, or a name is needed.
    """
    found = {key: head for key, head in heads.items() if isinstance(head, kind)}
    if not found:
        raise UserError(f"the model has no {what}; train one (model.heads), {example}")
    if name is None and len(found) > 1:
        raise UserError(f"the model has several {what}s; name one of {', '.join(found)}")
    if name is not None and name not in found:
        raise UserError(f"the model has no {what} {name!r}; it has {', '.join(found)}")
    return found[next(iter(found)) if name is None else name]
