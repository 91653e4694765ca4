"""What all fusions keep to."""

from __future__ import annotations

import pytest
from own_fusion import GatedAdd
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.fusion import Fusion
from frozenvl.model.part import Part


class Nowhere(Fusion):
    """Images take no place in the text."""

    def places(self, k: int) -> int:
        return 0

    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        return text


def test_a_checkpoint_has_to_find_the_class_of_a_fusion_again():
    assert Nowhere().identity() == {"fusion": f"{__name__}.Nowhere"}


def test_a_new_one_writes_where_images_stand_and_what_the_text_becomes():
    with pytest.raises(TypeError, match=r"abstract methods? '?embeddings'?,? (and )?'?places"):
        Fusion()
    assert isinstance(Nowhere(), Part) and Nowhere().trained() == {}


def test_its_weights_are_made_when_it_meets_the_language_model(language):
    model, made = language("llama"), GatedAdd(0.5)
    assert made.trained() == {}
    made.attach(model)
    assert made.trained()["gate"].shape == (model.dim,)
    assert Nowhere().attach(model) is None
