"""Draws of wrong pairs: their distribution, what is never drawn, what they depend on; and the rows made of them."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from retrieval_models import retrieval_model
from torch.nn.functional import normalize

from frozenvl.model.heads import Matching
from frozenvl.objectives.hard_negatives import (
    Embeddings,
    Wrong,
    drawn,
    judged,
    judged_rows,
    pair_keys,
    pair_tails,
)
from frozenvl.prompt import BlackImage


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def embeddings(rows: int, temperature: float, seed: int = 0) -> Embeddings:
    both = torch.randn(2, rows, 4, generator=generator(seed))
    return Embeddings(*normalize(both, dim=-1), temperature)


def keys(rows: int) -> list[tuple[str, str, str]]:
    return [(f"image {row}", f"text {row}", str(row)) for row in range(rows)]


def test_draws_follow_the_softmax_of_similarities():
    """Frequencies of 3,000 draws are within 0.03 of the probabilities: more than three standard deviations."""
    made, counts = embeddings(4, temperature=0.5), Counter()
    for seed in range(3000):
        for side, pair in zip("t" * 4 + "i" * 4, drawn(keys(4), made, generator(seed)), strict=True):
            counts[side, pair] += 1
    similarity = made.images @ made.texts.T / 0.5
    for side, dim in (("t", 1), ("i", 0)):
        expected = similarity.masked_fill(torch.eye(4, dtype=torch.bool), float("-inf")).softmax(dim)
        for image in range(4):
            for text in range(4):
                assert abs(counts[side, (image, text)] / 3000 - expected[image, text]) < 0.03


def test_without_embeddings_draws_are_uniform():
    counts = Counter(pair for seed in range(2000) for pair in drawn(keys(3), None, generator(seed)))
    assert counts.keys() == {(i, j) for i in range(3) for j in range(3) if i != j}
    assert all(abs(count / 4000 - 0.5) < 0.04 for count in counts.values())


def test_pairs_of_one_image_or_one_text_are_never_drawn():
    made = [("a", "x", "1"), ("a", "y", "2"), ("b", "x", "3"), ("c", "z", "4")]
    allowed = {
        (i, j) for i in range(4) for j in range(4) if made[i][0] != made[j][0] and made[i][1] != made[j][1]
    }
    found = {pair for seed in range(200) for pair in drawn(made, embeddings(4, 1.0), generator(seed))}
    assert found == allowed


def test_a_pair_without_a_wrong_partner_has_no_negative():
    alike = [("a", "x", "1"), ("a", "y", "2"), ("b", "x", "3")]
    # a x is alike with both others, which are each other's negatives
    assert sorted(drawn(alike, None, generator())) == [(1, 2), (1, 2), (2, 1), (2, 1)]
    assert drawn(alike[:2], None, generator()) == drawn([], None, generator()) == []


def test_draws_depend_on_the_generator_and_the_pairs_but_not_on_their_order():
    made, named = embeddings(9, 0.3), keys(9)
    first = drawn(named, made, generator(1))
    assert first == drawn(named, made, generator(1)) and first != drawn(named, made, generator(2))
    order = torch.randperm(9, generator=generator(5))
    turned = Embeddings(made.texts[order], made.images[order], made.temperature)
    found = drawn([named[place] for place in order.tolist()], turned, generator(1))
    assert sorted((int(order[i]), int(order[j])) for i, j in found) == sorted(first)


def test_a_low_temperature_draws_the_most_similar():
    made = embeddings(8, 1e-4)
    similarity = (made.images @ made.texts.T).fill_diagonal_(-2)
    expected = [(i, int(similarity[i].argmax())) for i in range(8)]
    expected += [(int(similarity[:, j].argmax()), j) for j in range(8)]
    assert drawn(keys(8), made, generator()) == expected


@pytest.mark.parametrize("pool", ["marker", "mean"])
def test_rows_of_wrong_pairs_are_those_of_their_prompts(tiny_language, tiny_vision, pool):
    model = retrieval_model(tiny_language, tiny_vision, extra={"m": Matching(pool)})
    processor, head = model.processor(), model.matcher()
    images = [BlackImage(64, name=f"image {n}") for n in range(3)]
    texts = ["red circle", "two blue stars in an entry way", "no"]
    own = processor([head.prompt(image, text) for image, text in zip(images, texts, strict=True)])
    tails = pair_tails(own)
    wrong = [Wrong(2, tails[1]), Wrong(0, tails[2])]
    found = judged_rows(own, [0, 1, 2], wrong)
    every = [(0, 0), (1, 1), (2, 2), (2, 1), (0, 2)]
    expected = processor([head.prompt(images[i], texts[j]) for i, j in every])
    for name in ("tokens", "slots", "labels", "lengths", "image_of", "markers", "images"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    assert found.image_keys == own.image_keys and len(found) == 5 and found.ids == ("0", "1", "2", "2", "0")
    some = judged_rows(own, [1], wrong)
    assert torch.equal(some.slots, found.slots[[1, 3, 4]]) and torch.equal(
        some.tokens, found.tokens[[1, 3, 4]]
    )
    assert some.ids == ("1", "2", "0") and len(judged_rows(own, [], [])) == 0


def test_the_judged_pairs_are_some_of_all_and_do_not_depend_on_the_order():
    named = keys(9)
    assert judged(named, None, generator()) == judged(named, 9, generator()) == list(range(9))
    found = judged(named, 4, generator(1))
    assert len(set(found)) == 4 and found != judged(named, 4, generator(2))
    assert [8 - place for place in judged(named[::-1], 4, generator(1))] == found
    drawn_for = drawn(named, embeddings(9, 0.3), generator(3), found)
    assert [image for image, _ in drawn_for[:4]] == found == [text for _, text in drawn_for[4:]]


def test_keys_are_image_text_and_id(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision, extra={"m": Matching()})
    image = BlackImage(64, name="one")
    batch = model.processor()([model.matcher().prompt(image, text) for text in ("A  dog", "a dog")])
    assert pair_keys(batch) == [("one", "a dog", "0"), ("one", "a dog", "1")]
