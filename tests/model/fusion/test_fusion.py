"""Interface of fusions."""

from __future__ import annotations

import pytest
from own_fusion import GatedAdd
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.fusion import Fusion
from frozenvl.model.part import Part


class Nowhere(Fusion):
    """Fusion in which images take no positions."""

    def places(self, k: int) -> int:
        return 0

    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        return text


def test_the_identity_of_a_fusion_is_its_class_path():
    assert Nowhere().identity() == {"fusion": f"{__name__}.Nowhere"}


def test_a_fusion_has_to_define_places_and_embeddings():
    with pytest.raises(TypeError, match=r"abstract methods? '?embeddings'?,? (and )?'?places"):
        Fusion()
    assert isinstance(Nowhere(), Part) and Nowhere().trained() == {}


def test_attach_creates_the_weights(language):
    model, made = language("llama"), GatedAdd(0.5)
    assert made.trained() == {}
    made.attach(model)
    assert made.trained()["gate"].shape == (model.dim,)
    assert Nowhere().attach(model) is None
