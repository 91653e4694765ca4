"""Querybank normalisation, against the inverted softmax written out."""

import numpy as np
import pytest

from frozenvl.metrics.querybank import querybank_normalised


def unit(*shape: int) -> np.ndarray:
    rows = np.random.default_rng(sum(shape)).standard_normal(shape)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("scale", [1.0, 20.0, 500.0])
def test_items_are_ordered_by_the_inverted_softmax_over_the_bank(scale):
    images, captions, bank = unit(6, 4), unit(9, 4), (unit(5, 4), unit(7, 4))
    found = querybank_normalised((images, captions), bank, scale)
    similarity = found[0] @ found[1].T
    for query, image in enumerate(images):
        # log of exp(s · cos) / Σ exp(s · cos of the bank's images), up to what all captions share
        expected = [
            image @ caption - np.log(np.mean(np.exp(scale * (bank[0] @ caption - 1)))) / scale
            for caption in captions
        ]
        differences = similarity[query] - expected
        assert differences == pytest.approx(np.full(9, differences[0]))
    for query, caption in enumerate(captions):
        expected = [
            caption @ image - np.log(np.mean(np.exp(scale * (bank[1] @ image - 1)))) / scale
            for image in images
        ]
        differences = similarity[:, query] - expected
        assert differences == pytest.approx(np.full(6, differences[0]))


def test_an_item_near_to_all_of_the_bank_loses():
    images = np.array([[1.0, 0.0], [0.6, 0.8]])
    captions = np.array([[0.8, 0.6]])
    assert (captions @ images.T).argmax() == 1
    bank = np.array([[0.6, 0.8]]), np.array([[0.6, 0.8], [0.0, 1.0]])
    first, second = querybank_normalised((images, captions), bank)
    assert (second @ first.T).argmax() == 0


def test_unreadable_images_stay_unknown_and_those_of_the_bank_are_left_out():
    images, captions, bank = unit(3, 4), unit(2, 4), (unit(5, 4), unit(5, 4))
    images[1] = np.nan
    torn = np.vstack([bank[0], np.full((1, 4), np.nan)])
    found = querybank_normalised((images, captions), (torn, bank[1]))
    assert np.isnan(found[0] @ found[1].T).all(axis=1).tolist() == [False, True, False]
    expected = querybank_normalised((images, captions), bank)
    for side, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(side, other)
