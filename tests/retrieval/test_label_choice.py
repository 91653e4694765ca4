"""Labels: templates, embeddings, probabilities, and the trained temperature."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from frozenvl.retrieval.embedder import Embedder
from frozenvl.retrieval.label_choice import label_vectors, softmax, trained_scale, worded
from frozenvl.util.errors import UserError


def test_a_label_is_the_normalised_mean_over_templates(colours):
    model = colours()
    vectors = label_vectors(Embedder(model), ["red", "blue"], ["a {label}.", "green, no {label}"])
    assert model.texts == ["a red.", "green, no red", "a blue.", "green, no blue"]
    # The stand-in takes the first colour it knows: red before green, green before blue.
    assert vectors == pytest.approx(np.array([[1, 0, 0], [0, 0.5**0.5, 0.5**0.5]]))


def test_a_template_has_the_field_label_only():
    assert worded("a photo of a {label}.", "cat {x}") == "a photo of a cat {x}."
    for template in ("a photo", "{label} {x}", "{label"):
        with pytest.raises(UserError, match=r"needs the field \{label\}, and no other field"):
            worded(template, "cat")


def test_probabilities_sum_to_one_whatever_the_scores():
    scores = np.array([[1e4, 1e4, -1e4], [0.0, math.log(2), math.log(5)]], np.float32)
    assert softmax(scores) == pytest.approx(np.array([[0.5, 0.5, 0], [1 / 8, 2 / 8, 5 / 8]]))


def test_the_scale_is_the_one_that_was_trained_for_the_head(colours):
    model = colours(heads=("a", "b"))
    embedder = Embedder(model, head="b")
    assert trained_scale(embedder) == 100
    scaled = lambda head, scale: SimpleNamespace(head=head, log_scale=torch.tensor(math.log(scale)))
    model.objectives = {"captioning": SimpleNamespace(), "first": scaled("a", 20), "second": scaled("b", 30)}
    assert trained_scale(embedder) == pytest.approx(30)
    model.objectives = {"only": scaled(None, 40)}
    assert trained_scale(embedder) == pytest.approx(40)
