"""Tagging: tags from training captions, truth from captions, baselines, and a run with a head."""

from __future__ import annotations

import numpy as np
import pytest
from suites import described, scenes, toy
from toy import Rows, Square

from frozenvl.data.stream import Task
from frozenvl.evaluation import Tagging
from frozenvl.evaluation.query import Answer
from frozenvl.evaluation.score_file import read_score
from frozenvl.prompt import Example
from frozenvl.report.compare import compare
from frozenvl.util.errors import UserError


def shown(key: str, *captions: str) -> Example:
    return Example(key, Square(f"{key}.png"), f"photograph {key}", captions)


IMAGES = (
    shown("1", "a dog", "the dog runs", "dogs"),
    shown("2", "a cat", "one cat", "dog"),
    shown("3", "x", "y"),
)
TRAIN = Rows(shown("t", "the dog and a cat", "a cat runs", "a red cat", "red dog"))


def tagging(*examples: Example, **options) -> Tagging:
    return toy(toy=Tagging(source=Rows(*(examples or IMAGES)), **options))["toy"]


def test_tags_are_the_most_frequent_content_words_of_the_training_captions():
    made = tagging(train=TRAIN, most_frequent=3)
    assert made.labels == ("cat", "dog", "red")
    assert made.settings()[0].provenance["tags"] == "3 most frequent content words"
    made = Tagging("captions", most_frequent=2)
    made.bind({"captions": Task(TRAIN)}, {"captions": Task(Rows(*IMAGES))})
    assert made.labels == ("cat", "dog")
    again = Rows(shown("t", "two cows", "red cows"))
    made.bind({"captions": Task(again)}, {"captions": Task(Rows(*IMAGES))})
    assert made.labels == ("cows", "red")


def test_a_tag_is_true_if_enough_captions_contain_it():
    made = tagging(labels=["dog", "cat", "one cat"])
    assert made.truth.tolist() == [[True, False, False], [False, True, False], [False, False, False]]
    made = tagging(labels=["dog", "cat", "one cat"], min_captions=1)
    assert made.truth.tolist() == [[True, False, False], [True, True, True], [False, False, False]]
    assert made.settings()[0].provenance["min_captions"] == 1


def test_scores_by_hand():
    made = tagging(labels=["dog", "cat", "emu"], templates="word", k=1)
    vectors = {"dog": [1, 0], "cat": [0, 1], "emu": [-1, 0], "1": [1, 0.1], "2": [1, 0], "3": [0, 1]}
    setting = made.settings()[0]
    answers = {}
    for query in made.queries(setting):
        part = query.prompt[0]
        vector = vectors[part if isinstance(part, str) else query.id.removesuffix("/image")]
        answers[query.id] = Answer(query, vector=np.array(vector, dtype="f4"))
    result = made.score(setting, answers)
    # dog: image 2 is before image 1; cat: images 3, 1, 2
    assert result.scores["tag/dog"] == pytest.approx(1 / 2)
    assert result.scores["tag/cat"] == pytest.approx(1 / 3)
    assert result.scores["mAP"] == pytest.approx(5 / 12)
    assert result.scores["precision_at_1"] == pytest.approx(100 / 3)
    assert result.scores["recall_at_1"] == pytest.approx(50)
    assert result.notes == ["1 of 3 tags are true of no image; they are left out of mAP"]
    assert {metric.name for metric in made.metrics} == {"mAP", "precision_at_1", "recall_at_1"}
    tiles = {tuple(tile.texts): [*tile.references] for tile in made.tiles(setting, answers)}
    assert tiles[("✓ dog  1.00", "✗ cat  0.10", "✗ emu  -1.00")] == ["dog"] and len(tiles) == 3
    assert tiles[("✗ cat  1.00", "✗ dog  0.00", "✗ emu  0.00")] == []
    del answers["1/image"]
    assert made.score(setting, answers).scores["tag/cat"] == pytest.approx(1 / 2)
    # with n images of which one is true, the mean over random orders is (1 + 1/2 + … + 1/n) / n
    assert made.baselines(setting) == {"random": pytest.approx((1 + 1 / 2 + 1 / 3) / 3)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            r"no task 'captions' in data.train .*\(there are: none\); give `train`.* or the tags as `labels`",
        ),
        ({"labels": ["emu", "fox"]}, "toy: none of the 2 tags stands in 2 captions of an image"),
        ({"train": Rows(shown("t", "a", "dog"))}, "toy: the training captions have 1 content words"),
        ({"labels": ["dog", "cat"], "k": 0}, "min_captions and k at 1"),
        ({"labels": ["dog", "cat"], "min_captions": 0}, "min_captions and k at 1"),
        ({"most_frequent": 1}, "most_frequent starts at 2"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(UserError, match=message):
        tagging(**options).prepare(False)


@pytest.mark.parametrize("by", ["embedding", "likelihood"])
def test_a_run_is_evaluated(headed, evaluate, by):
    captions = scenes("SceneCaptions", size=6)
    made = described(
        "Tagging",
        source=captions,
        train=scenes("SceneCaptions", "train", size=20),
        most_frequent=8,
        by=by,
        templates=["a {label} thing"],
    )
    assert evaluate({"tags": made}, checkpoint=headed) == 0
    score = read_score(headed / "evaluation/tags/score.json")
    assert score.main == "mAP" and score.metric("mAP").digits == 3
    assert 0 < score.baselines["random"] < 1 and 0 < score.scores["mAP"] <= 1
    assert score.samples == 6 + (8 if by == "embedding" else 0)
    assert any(name.startswith("tag/") for name in score.scores)
    again = compare(*[headed / "evaluation/tags/predictions.jsonl"] * 2)
    assert again.a == pytest.approx(score.scores, abs=1e-3) and again.metrics == score.metrics
