"""Demonstrations: nested, never about the query's own image, and the most similar ones indeed."""

from __future__ import annotations

import pytest
import torch
from toy import Broken, Rows, Square, question, words

from frozenvl.data.episodes.similar import most
from frozenvl.data.sources.scenes import SceneQuestions
from frozenvl.evaluation import FewShotVQA, Fixed, MostSimilar, PerQuestion
from frozenvl.model.processor import Pixels
from frozenvl.model.vision import TimmEncoder
from frozenvl.util.errors import UserError

SHARED = [Square(f"both{n}.png", (40 * n, 200, 30), 9) for n in range(3)]
QUERIES = Rows(*(question(n, SHARED[n]) for n in range(3)), question(3))
POOL = Rows(
    *(question(10 + n, SHARED[n % 3]) for n in range(6)),
    *(question(20 + n) for n in range(8)),
    question(30, answer="", references=()),
)


@pytest.fixture(params=["per_question", "fixed", "rices"])
def way(request, tiny_vision, feature_home):
    made = {
        "per_question": PerQuestion,
        "fixed": Fixed,
        "rices": lambda: MostSimilar(TimmEncoder(str(tiny_vision))),
    }[request.param]()
    assert made.mode == request.param
    return prepared(made)


def prepared(way, queries=QUERIES, pool=POOL):
    way.prepare(queries, pool, lambda done, total: None)
    return way


def test_draws_nest_next_to_the_query(way):
    for query in QUERIES:
        four = way.draw(query, POOL, 4, seed=0)
        assert way.draw(query, POOL, 2, seed=0) == four[-2:]
        assert way.draw(query, POOL, 1, seed=0) == four[-1:]
        assert len({e.id for e in four}) == 4


def test_no_demonstration_is_about_the_querys_image_or_without_an_answer(way):
    for query in QUERIES:
        drawn = way.draw(query, POOL, 8, seed=1)
        assert query.image_id not in {e.image_id for e in drawn}
        assert all(e.answer for e in drawn)


def test_a_pool_that_is_too_small_is_said_in_one_line(way):
    with pytest.raises(
        UserError, match=r"14 shots asked for, but the pool has only (8|12) examples"
    ) as error:
        way.draw(QUERIES[0], POOL, 14, seed=0)
    assert "\n" not in str(error.value)


def test_fixed_is_one_set_about_images_that_nobody_asks_about():
    way = prepared(Fixed())
    drawn = [way.draw(query, POOL, 4, seed=0) for query in QUERIES]
    assert all(each == drawn[0] for each in drawn)
    assert not {e.image_id for e in drawn[0]} & {q.image_id for q in QUERIES}
    assert way.draw(QUERIES[0], POOL, 4, seed=1) != drawn[0]


def test_per_question_is_each_questions_own():
    draws = [tuple(e.id for e in PerQuestion().draw(q, POOL, 4, seed)) for q in QUERIES for seed in (0, 1)]
    assert len(set(draws)) == len(draws)


def test_the_most_similar_stands_next_to_the_query(tiny_vision, feature_home):
    """The order is that of the cosines, worked out here; a copy of the query's image comes first of all."""
    encoder = TimmEncoder(str(tiny_vision)).eval()
    red = (220, 40, 30)
    images = [
        Square(f"{n}.png", colour, noise)
        for n, (colour, noise) in enumerate(
            [((30, 40, 220), 0), (red, 90), (red, 5), ((30, 220, 40), 40), (red, 0), (red, 30)]
        )
    ]
    query = question(0, Square("asked.png", red))
    pool = Rows(*(question(n + 1, image) for n, image in enumerate(images)))
    drawn = prepared(MostSimilar(encoder), Rows(query), pool).draw(query, pool, 6, seed=0)

    with torch.no_grad():
        vectors = encoder(Pixels(encoder.size)([query.image, *images])).mean(1)
    cosines = torch.cosine_similarity(vectors[:1], vectors[1:])
    assert [e.id for e in drawn[::-1]] == [f"q{n + 1}" for n in cosines.argsort(descending=True).tolist()]
    assert drawn[-1].image.name == "4.png" and len({round(c, 5) for c in cosines.tolist()}) == 6


def test_the_encoder_is_named_in_the_provenance(tiny_vision):
    encoder = TimmEncoder(str(tiny_vision))
    benchmark = FewShotVQA(source=QUERIES, pool=POOL, shots=[0, 2], way=MostSimilar(encoder))
    none, two = benchmark.settings()
    assert two.provenance["similar_by"] == f"{tiny_vision}, {encoder.fingerprint}"
    assert "similar_by" not in none.provenance
    assert two.facts["demonstrations"] == "rices"


def test_an_unreadable_image_of_the_pool_is_like_nothing(tiny_vision, feature_home):
    query = question(0, Square("asked.png", (220, 40, 30)))
    pool = Rows(question(1, Broken()), question(2, Square("copy.png", (220, 40, 30))))
    drawn = prepared(MostSimilar(TimmEncoder(str(tiny_vision))), Rows(query), pool).draw(query, pool, 1, 0)
    assert words(drawn[0].image for _ in "1") == "<copy.png>"


def test_most_has_the_first_of_equals_first():
    values = torch.tensor([1.0, 3.0, 2.0, 3.0, 2.0, 2.0])
    assert most(values, 3) == [1, 3, 2, 4, 5]
    assert most(values, 6) == [1, 3, 2, 4, 5, 0]


def test_only_seeds_that_make_a_difference_are_run(tiny_vision):
    assert PerQuestion().seeds(4, [0, 1, 2]) == [0, 1, 2]
    assert PerQuestion().seeds(0, [0, 1, 2]) == [0]
    assert MostSimilar(TimmEncoder(str(tiny_vision))).seeds(4, [0, 1, 2]) == [0]


SCENES = SceneQuestions(size=40, resolution=64)


def test_questions_about_one_scene_do_not_demonstrate_each_other():
    for query in (SCENES[i] for i in range(len(SCENES))):
        shots = PerQuestion().draw(query, SCENES, 8, seed=0)
        assert len({shot.id for shot in shots}) == 8
        assert query.image_id not in {shot.image_id for shot in shots}


def test_a_draw_is_made_of_the_seed_and_the_query_alone():
    def drawn(shots: int, seed: int) -> list[str]:
        query = SceneQuestions("val", 1, resolution=64)[0]
        return [shot.id for shot in PerQuestion().draw(query, SCENES, shots, seed)]

    assert drawn(4, 0) == drawn(4, 0) != drawn(4, 1)
    assert drawn(2, 0) == drawn(4, 0)[2:] and drawn(0, 0) == []
