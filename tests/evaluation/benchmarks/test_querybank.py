"""Training data that is embedded beside a gallery."""

import numpy as np
import pytest
from toy import Rows, Square

from frozenvl.evaluation.benchmarks.querybank import Querybank
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.querybank import querybank_normalised
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


def shown(key: str, *captions: str) -> Example:
    return Example(key, Square(f"{key}.png"), f"photograph {key}", captions)


def test_the_images_come_once_and_each_has_a_caption():
    rows = Rows(shown("a", "", "one", "two"), shown("b"), shown("c", "three"), shown("c", "four"))
    bank = Querybank(rows, 9)
    assert len(bank) == 2
    assert [query.id for query in bank.queries] == [
        "bank image 0", "bank image 1", "bank caption 0", "bank caption 1",
    ]  # fmt: skip
    text_of = {
        image.prompt[0].name: text.prompt[0]
        for image, text in zip(bank.queries, bank.queries[2:], strict=False)
    }
    assert text_of["a.png"] == "one" and text_of["c.png"] in ("three", "four")


def test_it_has_no_more_than_its_size_and_is_always_the_same():
    rows = Rows(*(shown(str(number), f"caption {number}") for number in range(40)))
    bank = Querybank(rows, 5)
    drawn = [query.prompt[0].name for query in bank.queries[:5]]
    assert len(bank) == len({*drawn}) == 5 and drawn != [f"{number}.png" for number in range(5)]
    assert [query.prompt[0].name for query in Querybank(rows, 5).queries[:5]] == drawn


def test_vectors_are_normalised_by_its_images_and_captions():
    bank = Querybank(Rows(shown("a", "one"), shown("b", "two")), 2)
    near = [[3, 0], [0, 2], [1, 1], [1, 0]]
    answers = {
        query.id: Answer(query, vector=np.array(vector, dtype=np.float32))
        for query, vector in zip(bank.queries, near, strict=True)
    }
    assert bank.is_asked(answers) and not bank.is_asked(dict([*answers.items()][1:]))
    gallery = np.eye(2), np.array([[0.6, 0.8]])
    half = np.sqrt(0.5)
    expected = querybank_normalised(gallery, (np.eye(2), np.array([[half, half], [1, 0]])))
    for found, side in zip(bank.normalised(gallery, answers), expected, strict=True):
        np.testing.assert_allclose(found, side)


def test_what_cannot_normalise_is_refused():
    with pytest.raises(UserError, match="bank_size starts at 1"):
        Querybank(Rows(), 0)
    with pytest.raises(UserError, match="no example of its bank has a caption; give training data"):
        Querybank(Rows(shown("a")), 5).check([])
    bank = Querybank(Rows(shown("a", "one"), shown("b", "two")), 5)
    bank.check(["c.png"])
    with pytest.raises(UserError, match=r"^2 photographs of its bank are in the gallery; give other data"):
        bank.check([Square("a.png").key, Square("b.png").key, "c.png"])
