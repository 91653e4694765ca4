"""A model whose embeddings are colours: an image's is its mean colour, a text's is the colour that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.heads import Retrieval
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import Image
from frozenvl.util.errors import UserError

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "purple": (255, 0, 255)}


class MeanColour:
    stage = "features"

    def __init__(self) -> None:
        self.not_finite: set[str] = set()

    def __call__(self, images: Sequence[Image]) -> Tensor:
        rows = [np.asarray(image.read(), np.float32).mean((0, 1)) for image in images]
        return torch.tensor(np.array(rows)) * (float("nan") if images[0].name in self.not_finite else 1)


class Reads:
    """Processor that only reads images."""

    def __init__(self) -> None:
        self.reader = MeanColour()


class Head:
    dim = 3


class Colours:
    """Stand-in for a model with an embedding head; it counts what it embeds."""

    low_precision, scaled_decoding = False, True

    def __init__(self, weight: float = 1.0, heads: Sequence[str] = ("colour",)) -> None:
        self.heads = {name: Head() for name in heads}
        self.weight, self.images, self.texts = weight, list[str](), list[str]()
        self.device, self.vision = torch.device("cpu"), SimpleNamespace(name="mean colour")
        self.objectives: dict[str, object] = {}

    def processor(self) -> Reads:
        return Reads()

    def head(self, name: str | None = None) -> Head:
        if name is None and len(self.heads) == 1:
            return next(iter(self.heads.values()))
        if name not in self.heads:
            raise UserError(f"no head {name!r}")
        return self.heads[name]

    def identity(self) -> dict[str, object]:
        return {"language": "somewhere", "k": 1}

    def trained_weights(self) -> dict[str, Tensor]:
        return {"heads.colour.weight": torch.tensor(self.weight)}

    def embed_texts(self, processor, texts: Sequence[str], head=None, batch_size=64, progress=None) -> Tensor:
        self.texts += texts
        named = [[rgb for name, rgb in COLOURS.items() if name in text] or [(1, 1, 1)] for text in texts]
        return normalize(torch.tensor([rgbs[0] for rgbs in named]).float(), dim=1)

    def embed_images(self, processor, images: Sequence[Image], head=None, batch_size=64) -> Tensor:
        self.images += [image.name for image in images]
        return normalize(processor.reader(images).reshape(-1, 3) + 1, dim=1)


@pytest.fixture
def colours() -> type[Colours]:
    return Colours


@pytest.fixture
def folder(tmp_path) -> Path:
    """Folder with four pictures of one colour each, one of them in a subfolder."""
    paint(tmp_path / "photos" / "a.png", "red")
    paint(tmp_path / "photos" / "b.png", "green")
    paint(tmp_path / "photos" / "c.jpg", "blue")
    paint(tmp_path / "photos" / "sub" / "d.PNG", "purple")
    return tmp_path / "photos"


def paint(path: Path, colour: str, side: int = 8) -> None:
    """Saves a picture of one colour. Its side makes files of one colour differ."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (side, side), COLOURS[colour]).save(path)


@pytest.fixture(name="paint")
def painter():
    return paint


@pytest.fixture(scope="session")
def tiny_model(tiny_language, tiny_vision) -> FrozenVL:
    """Tiny random model with an embedding head. Tests do not change it."""
    torch.manual_seed(0)
    language, vision = FrozenLanguageModel(str(tiny_language)), TimmEncoder(str(tiny_vision))
    model = FrozenVL(language, vision, Linear, k=2, heads={"retrieval": Retrieval(dim=8)})
    return model.eval()
