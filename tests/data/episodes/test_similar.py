"""Demonstrations whose images are most similar to the query's."""

from __future__ import annotations

import torch
from few_shot import POOL, QUERIES, prepared
from toy import Broken, Rows, Square, question, words

from frozenvl.data.episodes.similar import most
from frozenvl.evaluation import FewShotVQA, MostSimilar
from frozenvl.model.processor import Pixels
from frozenvl.model.vision import TimmEncoder
from frozenvl.video import Video


def test_the_most_similar_demonstration_is_next_to_the_query(tiny_vision, feature_home):
    """The order follows cosine similarities computed here; a copy of the query's image is the most similar."""
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


def test_an_unreadable_image_of_the_pool_is_the_least_similar(tiny_vision, feature_home):
    query = question(0, Square("asked.png", (220, 40, 30)))
    pool = Rows(question(1, Broken()), question(2, Square("copy.png", (220, 40, 30))))
    drawn = prepared(MostSimilar(TimmEncoder(str(tiny_vision))), Rows(query), pool).draw(query, pool, 1, 0)
    assert words(drawn[0].image for _ in "1") == "<copy.png>"


def test_most_orders_equal_values_by_index():
    values = torch.tensor([1.0, 3.0, 2.0, 3.0, 2.0, 2.0])
    assert most(values, 3) == [1, 3, 2, 4, 5]
    assert most(values, 6) == [1, 3, 2, 4, 5, 0]


def test_videos_are_compared_by_the_mean_of_their_frames(tiny_vision, feature_home):
    red, blue, green = (Square(f"{c}.png", c) for c in ((220, 40, 30), (30, 40, 220), (30, 220, 40)))
    query = question(0, Video([red, blue]))
    clips = [Video([green, green]), Video([blue, red]), Video("none.mp4")]
    pool = Rows(*(question(n + 1, clip) for n, clip in enumerate(clips)))
    drawn = prepared(MostSimilar(TimmEncoder(str(tiny_vision))), Rows(query), pool).draw(query, pool, 3, 0)
    assert [example.id for example in drawn] == ["q3", "q1", "q2"], "the most similar one is last"
