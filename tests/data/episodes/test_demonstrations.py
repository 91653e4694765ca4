"""Properties of all demonstrations: they nest, and none uses the query's image."""

from __future__ import annotations

import pytest
from few_shot import POOL, QUERIES, prepared

from frozenvl.evaluation import Fixed, MostSimilar, PerQuestion
from frozenvl.model.vision import TimmEncoder
from frozenvl.util.errors import UserError


@pytest.fixture(params=["per_question", "fixed", "rices"])
def way(request, tiny_vision, feature_home):
    made = {
        "per_question": PerQuestion,
        "fixed": Fixed,
        "rices": lambda: MostSimilar(TimmEncoder(str(tiny_vision))),
    }[request.param]()
    assert made.mode == request.param
    return prepared(made)


def test_fewer_shots_are_the_last_of_more_shots(way):
    for query in QUERIES:
        four = way.draw(query, POOL, 4, seed=0)
        assert way.draw(query, POOL, 2, seed=0) == four[-2:]
        assert way.draw(query, POOL, 1, seed=0) == four[-1:]
        assert len({e.id for e in four}) == 4


def test_no_demonstration_uses_the_querys_image_or_lacks_an_answer(way):
    for query in QUERIES:
        drawn = way.draw(query, POOL, 8, seed=1)
        assert query.image_id not in {e.image_id for e in drawn}
        assert all(e.answer for e in drawn)


def test_a_pool_that_is_too_small_is_one_error_line(way):
    with pytest.raises(
        UserError, match=r"14 shots asked for, but the pool has only (8|12) examples"
    ) as error:
        way.draw(QUERIES[0], POOL, 14, seed=0)
    assert "\n" not in str(error.value)


def test_only_seeds_that_change_the_draw_are_run(tiny_vision):
    assert PerQuestion().seeds(4, [0, 1, 2]) == [0, 1, 2]
    assert PerQuestion().seeds(0, [0, 1, 2]) == [0]
    assert MostSimilar(TimmEncoder(str(tiny_vision))).seeds(4, [0, 1, 2]) == [0]
