"""Retrieval scores: a table by hand, other packages' definitions, folds, several images a caption, intervals."""

from __future__ import annotations

import numpy as np
import pytest

from frozenvl.metrics.bootstrap import paired_bootstrap
from frozenvl.metrics.metric import main_of
from frozenvl.metrics.ranking import top_candidates
from frozenvl.metrics.retrieval import METRICS, Reranking, chance, retrieval_scores
from frozenvl.util.errors import UserError

FIVE_EACH = [[caption // 5] for caption in range(60)]
"""Twelve images with five captions each."""


def random_similarity(images: int = 12, captions: int = 60) -> np.ndarray:
    """Returns similarities without ties, of a model that knows a little."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(images, captions))
    scores += 1.5 * (np.arange(images)[:, None] == np.arange(captions) * images // captions)
    assert len(np.unique(scores)) == scores.size
    return scores


def test_a_table_by_hand_with_ties():
    similarity = np.array(
        #  captions of image 0, of image 1, of image 2
        [
            [0.9, 0.2, 0.5, 0.1, 0.3, 0.0],
            [0.4, 0.9, 0.7, 0.7, 0.6, 0.7],
            [0.9, 0.8, 0.1, 0.2, 0.7, 0.8],
        ]
    )
    result = retrieval_scores(similarity, [[0], [0], [1], [1], [2], [2]])
    # images: 0.9 is the highest of its row; 0.7 comes after 0.9 and ties with 0.7; 0.8 after 0.9 and ties with 0.8
    assert result.whole[0].ranks.tolist() == [1, 3, 3]
    # captions, by columns: 0.9 ties with 0.9; 0.2 is last; 0.7 and 0.7 are first; 0.7 and 0.8 are first
    assert result.whole[1].ranks.tolist() == [2, 3, 1, 1, 1, 1]
    assert result.scores == pytest.approx(
        {
            "rsum": 100 / 3 + 200 / 3 + 400,
            "i2t_r1": 100 / 3, "i2t_r5": 100, "i2t_r10": 100, "i2t_medr": 3, "i2t_meanr": 7 / 3,
            "t2i_r1": 200 / 3, "t2i_r5": 100, "t2i_r10": 100, "t2i_medr": 1, "t2i_meanr": 1.5,
        }
    )  # fmt: skip


def clip_benchmarks(scores: np.ndarray, positive: np.ndarray, k: int) -> float:
    """CLIP benchmark's definition: a query counts if the number of positives among the first k is above 0."""
    hits = []
    for row, own in zip(scores.tolist(), positive.tolist(), strict=True):
        first = sorted(range(len(row)), key=lambda item: -row[item])[:k]
        hits.append(float(sum(own[item] for item in first) > 0))
    return 100 * sum(hits) / len(hits)


def blips(scores: np.ndarray, own: list[list[int]]) -> dict[str, float]:
    """BLIP's definition: the place of each own item in the sorted list, the smallest of them, then shares below K."""
    places = []
    for row, items in zip(scores.tolist(), own, strict=True):
        order = sorted(range(len(row)), key=lambda item: row[item], reverse=True)
        places.append(min(order.index(item) for item in items))
    return {f"r{k}": 100.0 * sum(place < k for place in places) / len(places) for k in (1, 5, 10)}


def test_recalls_equal_clip_benchmarks_and_blips():
    similarity = random_similarity()
    scores = retrieval_scores(similarity, FIVE_EACH).scores
    positive = np.arange(12)[:, None] == np.arange(60) // 5
    captions_of = [list(range(5 * image, 5 * image + 5)) for image in range(12)]
    for k in (1, 5, 10):
        assert scores[f"i2t_r{k}"] == pytest.approx(clip_benchmarks(similarity, positive, k))
        assert scores[f"t2i_r{k}"] == pytest.approx(clip_benchmarks(similarity.T, positive.T, k))
        assert scores[f"i2t_r{k}"] == pytest.approx(blips(similarity, captions_of)[f"r{k}"])
        assert scores[f"t2i_r{k}"] == pytest.approx(blips(similarity.T, FIVE_EACH)[f"r{k}"])
    assert 0 < scores["t2i_r1"] < scores["t2i_r5"] < scores["t2i_r10"]
    assert scores["rsum"] == pytest.approx(
        sum(scores[f"{d}_r{k}"] for d in ("i2t", "t2i") for k in (1, 5, 10))
    )


def test_vectors_and_their_similarities_have_the_same_scores():
    random = np.random.default_rng(1)
    images, captions = random.normal(size=(12, 16)), random.normal(size=(60, 16))
    captions += 0.5 * np.repeat(images, 5, axis=0)
    from_vectors = retrieval_scores((images, captions), FIVE_EACH).scores
    assert from_vectors == retrieval_scores(images @ captions.T, FIVE_EACH).scores


def test_folds_are_means_over_consecutive_groups_beside_the_whole():
    similarity = random_similarity()
    result = retrieval_scores(similarity, FIVE_EACH, folds=3)
    alone = [
        retrieval_scores(similarity[4 * fold : 4 * fold + 4, 20 * fold : 20 * fold + 20], FIVE_EACH[:20])
        for fold in range(3)
    ]
    whole = retrieval_scores(similarity, FIVE_EACH).scores
    for name, value in whole.items():
        assert result.scores[name] == value
        expected = np.mean([fold.scores[name] for fold in alone])
        assert result.scores[f"folds/{name}"] == pytest.approx(expected)
    assert result.scores["folds/rsum"] > result.scores["rsum"]
    images = np.random.default_rng(0).normal(size=(12, 4))
    vectors = images, np.repeat(images, 5, axis=0) + 0.1
    assert retrieval_scores(vectors, FIVE_EACH, folds=5).scores["folds/rsum"] > 0  # groups of 3, 3, 2, 2, 2


def test_captions_of_several_images_or_none_and_images_without_captions():
    similarity = np.array([[0.9, 0.1, 0.8], [0.2, 0.3, 0.9], [0.5, 0.7, 0.1]])
    # caption 0 belongs to images 0 and 1; caption 1 to image 1; caption 2 to none; image 2 has none
    result = retrieval_scores(similarity, [[0, 1], [1], []])
    assert result.whole[0].ranks.tolist() == [1, 2]  # caption 2 is searched: it is before both of image 1
    assert result.whole[1].ranks.tolist() == [1, 2]  # image 2 is searched: it is before image 1
    assert result.units == ["0", "1", "2"]


def test_the_median_of_an_even_number_of_ranks_is_rounded_down():
    result = retrieval_scores(np.array([[0.1, 0.9], [0.5, 0.4]]), [[0], [1]])
    assert result.whole[0].ranks.tolist() == [2, 2] and result.scores["i2t_medr"] == 2
    assert result.whole[1].ranks.tolist() == [2, 2]
    mixed = retrieval_scores(np.array([[0.9, 0.1], [0.5, 0.4]]), [[0], [1]])
    assert mixed.whole[0].ranks.tolist() == [1, 2] and mixed.scores["i2t_medr"] == 1


def test_a_missing_image_is_never_found():
    images = np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]])
    result = retrieval_scores((images, np.nan_to_num(images)), [[0], [1], [2]])
    assert result.whole[0].ranks.tolist() == [1, 3, 1] and result.whole[1].ranks.tolist() == [1, 3, 1]


def test_weights_count_photographs_as_if_they_were_repeated():
    """In a sample, photograph j with its captions stands `weights[j]` times among the queries."""
    similarity, photographs = random_similarity(), [str(image // 2) for image in range(12)]
    result = retrieval_scores(similarity, FIVE_EACH, photographs, folds=2)
    assert result.units == list("012345")
    weights = np.array([3.0, 0, 1, 0, 2, 1])
    resampled = result.reweighted(weights[None])
    assert resampled.keys() == result.scores.keys()
    for ranks in result.whole:
        drawn = np.repeat(ranks.ranks, weights[ranks.units].astype(int))
        assert resampled[f"{ranks.direction}_r5"][0] == pytest.approx(100 * (drawn <= 5).mean())
        assert resampled[f"{ranks.direction}_meanr"][0] == pytest.approx(drawn.mean())
        assert resampled[f"{ranks.direction}_medr"][0] == np.floor(np.median(drawn))
    assert set(result.whole[1].units.tolist()) == set(range(6)) and len(result.whole[1].units) == 60


def test_intervals_and_paired_differences():
    similarity = random_similarity()
    result = retrieval_scores(similarity, FIVE_EACH)
    for name, (low, high) in result.intervals(samples=200).items():
        assert low <= result.scores[name] <= high, name
    better = retrieval_scores(similarity + 9 * (np.arange(12)[:, None] == np.arange(60) // 5), FIVE_EACH)
    change = paired_bootstrap(result, better, samples=200)["rsum"]
    assert change.low > 0 and change.difference == pytest.approx(600 - result.scores["rsum"])


def test_reranking_replaces_the_recalls_up_to_its_number_of_candidates():
    similarity = random_similarity()
    positive = (np.arange(12)[:, None] == np.arange(60) // 5).astype(float)
    candidates = top_candidates(similarity, 5)
    perfect = Reranking(candidates, np.take_along_axis(positive, candidates, axis=1))
    first = retrieval_scores(similarity, FIVE_EACH).scores
    result = retrieval_scores(similarity, FIVE_EACH, rerank={"i2t": perfect})
    assert result.scores["i2t_r1"] == result.scores["i2t_r5"] == first["i2t_r5"] > first["i2t_r1"]
    assert result.scores["t2i_r1"] == first["t2i_r1"] and "t2i_meanr" in result.scores
    assert not {"rsum", "i2t_r10", "i2t_medr", "i2t_meanr"} & result.scores.keys()
    assert result.notes == ["i2t: only the first 5 candidates were re-ranked; ranks beyond are void"]
    ten = top_candidates(similarity, 10)
    same = Reranking(ten, np.take_along_axis(similarity, ten, axis=1))
    assert retrieval_scores(similarity, FIVE_EACH, rerank={"i2t": same}).scores["rsum"] == first["rsum"]


def test_chance_is_the_mean_over_random_orders():
    random = np.random.default_rng(0)
    owners = [[0], [0], [0], [1], [2], [2, 3], [], *([image] for image in range(4, 14))]
    drawn = [retrieval_scores(random.random((15, len(owners))), owners).scores["rsum"] for _ in range(3000)]
    assert chance(owners, 15) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 3000**0.5)
    assert chance([[0]], 1) == 600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images_of": [[0]]}, "2 captions, but the images of 1"),
        ({"images_of": [[0], [2]]}, r"outside 0 … 1"),
        ({"images_of": [[], []]}, "no image has a caption"),
        ({"images_of": [[0], [1]], "folds": 3}, "2 images cannot be split into 3 folds"),
        ({"images_of": [[0], [0]], "folds": 2}, "a fold of 1 images has no caption"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        retrieval_scores(np.zeros((2, 2)), **options)


def test_folds_and_reranking_exclude_each_other():
    again = Reranking(np.array([[0]]), np.array([[1.0]]))
    with pytest.raises(UserError, match="leave out folds or rerank"):
        retrieval_scores(np.eye(2), [[0], [1]], folds=2, rerank={"i2t": again})


def test_metrics_describe_every_score():
    assert main_of(METRICS).name == "rsum"
    described = {metric.name: metric for metric in METRICS}
    result = retrieval_scores(random_similarity(), FIVE_EACH, folds=2)
    assert result.scores.keys() == described.keys()
    lower = {name for name in described if "medr" in name or "meanr" in name}
    assert {name for name, metric in described.items() if metric.better == "lower"} == lower


def test_coco_fits_in_memory():
    """5,000 images and 25,000 captions: no array of all similarities is made."""
    import tracemalloc

    random = np.random.default_rng(0)
    images = random.normal(size=(5000, 4)).astype(np.float32)
    owners = [[caption // 5] for caption in range(25000)]
    tracemalloc.start()
    retrieval_scores((images, np.repeat(images, 5, axis=0)), owners)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 * 2**20 < 5000 * 25000 * 4
