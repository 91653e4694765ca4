"""One support set for all queries."""

from __future__ import annotations

from few_shot import POOL, QUERIES, prepared

from frozenvl.evaluation import Fixed


def test_fixed_demonstrations_are_the_same_for_all_queries_and_use_no_image_of_a_query():
    way = prepared(Fixed())
    drawn = [way.draw(query, POOL, 4, seed=0) for query in QUERIES]
    assert all(each == drawn[0] for each in drawn)
    assert not {e.image_id for e in drawn[0]} & {q.image_id for q in QUERIES}
    assert way.draw(QUERIES[0], POOL, 4, seed=1) != drawn[0]
