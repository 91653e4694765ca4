"""Foils by similarity of words: an independent formula, what is never a foil, and the examples made of them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from frozenvl.data.nearest_captions import NearestCaptions, nearest, words
from frozenvl.data.sources.source import Source
from frozenvl.prompt import BlackImage, Example
from frozenvl.util.errors import UserError


class Captioned(Source):
    """Source of images with captions."""

    def __init__(self, **captions: tuple[str, ...]) -> None:
        self.rows = list(captions.items())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        key, captions = self.rows[index]
        image = BlackImage(name=f"{key}.png")
        return Example(key, image, f"photo {key}", captions, kind={"domain": "x"})

    def image_ids(self) -> list[str]:
        return [f"photo {key}" for key, _ in self.rows]


def test_foils_are_those_of_a_dense_formula():
    draw = random.Random(0)
    vocabulary = [f"w{n}" for n in range(30)]
    texts = [tuple(draw.choices(vocabulary, k=draw.randint(3, 9))) for _ in range(60)]
    groups = [str(draw.randint(0, 11)) for _ in texts]
    counts = np.array([[text.count(word) for word in vocabulary] for text in texts], float)
    vectors = counts * (np.log((1 + len(texts)) / (1 + (counts > 0).sum(0))) + 1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = vectors @ vectors.T
    for row, found in enumerate(nearest(texts, groups)):
        allowed = [o for o in range(60) if groups[o] != groups[row] and texts[o] != texts[row]]
        assert found in allowed
        assert similarity[row, found] == pytest.approx(similarity[row, allowed].max(), abs=1e-8)


def test_equally_near_texts_give_the_first():
    texts = [words("a dog runs"), words("a dog sits"), words("a dog lies"), words("a dog sleeps")]
    assert nearest(texts, "abcd") == [1, 0, 0, 0]


def test_examples_have_the_caption_and_its_foil():
    source = NearestCaptions(
        Captioned(
            a=("A black dog runs.", "Dog on grass"),
            b=("a black dog RUNS", "A black dog sits"),
            c=("Two cats", " ! "),
        )
    )
    made = [source[index] for index in range(len(source))]
    assert [example.id for example in made] == ["a#0", "a#1", "b#0", "b#1", "c#0"]
    # The same words with other punctuation are no foil: "a black dog RUNS".
    assert (
        made[0].choices == ("A black dog runs.", "A black dog sits")
        and made[0].references == made[0].choices[:1]
    )
    assert made[3].choices == ("A black dog sits", "A black dog runs.")
    assert made[0].image_id == "photo a" and made[0].kind == {"domain": "x"}
    assert source.image_ids() == ["photo a", "photo a", "photo b", "photo b", "photo c"] and source.pairs == 5


def test_the_order_of_words_makes_another_text():
    source = NearestCaptions(Captioned(a=("a dog bites a man",), b=("a man bites a dog",), c=("two cats",)))
    assert source[0].choices == ("a dog bites a man", "a man bites a dog")


def test_a_single_image_has_no_foils():
    with pytest.raises(UserError, match="example a: no other image has another caption than 'a dog'"):
        len(NearestCaptions(Captioned(a=("a dog", "a cat"), b=("A dog",))))
