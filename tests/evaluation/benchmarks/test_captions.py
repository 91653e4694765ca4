"""Captions: one query per image, scored with the idf of all references."""

from __future__ import annotations

import pytest
from toy import Rows, Square

from frozenvl.evaluation import Captions
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.tokenizers import TOKENIZERS, record_of
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

REFERENCES = {
    "1": ("a dog runs", "the dog is running ."),
    "2": ("two red birds on a wire", "birds"),
    "3": ("a cat", "cat"),
}
SOURCE = Rows(
    *(
        Example(key, Square(f"{key}.png"), f"photo {key}", references, kind={"split": "odd"})
        for key, references in REFERENCES.items()
    )
)


def benchmark(**options) -> Captions:
    made = Captions(source=SOURCE, **options)
    made.bind({}, {})
    return made


def test_each_image_is_a_query_in_the_order_of_the_source():
    made = benchmark(template=Template("A photo of: {image}", stop=(".",)), max_new_tokens=7)
    (setting,) = made.settings()
    queries = made.queries(setting)
    assert [query.id for query in queries] == ["1", "2", "3"]
    query = queries[1]
    assert query.prompt == ("A photo of: ", Square("2.png")) and query.image == Square("2.png")
    assert (query.image_id, query.references, query.kind) == ("photo 2", REFERENCES["2"], {"split": "odd"})
    assert (made.ask.max_new_tokens, made.ask.stop) == (7, (".",))


def test_its_name_is_its_task_and_captions_by_default():
    assert (Captions().task, Captions().name) == ("captions", "captions")
    assert Captions(task="flickr").name == "flickr"
    assert (benchmark().task, benchmark().name) == (None, "captions")


def answers(made: Captions, texts: dict[str, str]) -> dict[str, Answer]:
    (setting,) = made.settings()
    by_id = {query.id: query for query in made.queries(setting)}
    return {key: Answer(by_id[key], text) for key, text in texts.items()}


def test_scores_equal_caption_scores_against_all_references():
    made = benchmark()
    texts = {"1": "a dog is running", "2": "two birds", "3": "a dog"}
    (setting,) = made.settings()
    found = made.score(setting, answers(made, texts))
    expected = caption_scores(texts, {key: list(some) for key, some in REFERENCES.items()}).scores
    assert found.scores == expected | {f"split/odd {name}": value for name, value in expected.items()}
    assert [metric.name for metric in made.metrics if metric.main] == ["CIDEr"]


def test_partial_results_use_the_idf_of_all_references():
    """The idf of only its own references would give each word weight 0."""
    made = benchmark()
    texts = {"1": "a dog is running", "2": "two birds", "3": "a dog"}
    (setting,) = made.settings()
    part = made.score(setting, answers(made, {"1": texts["1"]})).scores["CIDEr"]
    whole = caption_scores(texts, {key: list(some) for key, some in REFERENCES.items()})
    assert part == pytest.approx(whole.per_image["1"]["CIDEr"]) and part > 0.1
    assert "idf of all references" in setting.provenance["CIDEr"]


def test_labels_of_examples_are_groups_of_scores_with_their_own_idf():
    domains = {"1": "in-domain", "2": "in-domain", "3": "out-domain"}
    examples = [
        Example(key, Square(f"{key}.png"), key, texts, kind={"domain": domains[key]})
        for key, texts in REFERENCES.items()
    ]
    made = Captions(source=Rows(*examples))
    made.bind({}, {})
    (setting,) = made.settings()
    texts = {"1": "a dog is running", "2": "two birds", "3": "a dog"}
    found = made.score(setting, answers(made, texts))
    own = {key: REFERENCES[key] for key in "12"}
    alone = caption_scores({key: texts[key] for key in "12"}, own).scores["CIDEr"]
    assert found.scores["domain/in-domain CIDEr"] == alone > 0
    assert found.scores.keys() == found.intervals().keys()


def test_the_tokenizer_scores_and_is_recorded():
    chinese = Rows(
        Example("1", Square("1.png"), "a", ("一只狗在沙滩上奔跑", "狗在跑")),
        Example("2", Square("2.png"), "b", ("两个人坐在长椅上",)),
    )
    texts, records = {"1": "一只狗在沙滩上", "2": "两个人"}, set()
    for name in TOKENIZERS:
        made = Captions(source=chinese, tokenizer=name)
        made.bind({}, {})
        (setting,) = made.settings()
        found = made.score(setting, answers(made, texts))
        references = {key: list(made.source[n].references) for n, key in enumerate(texts)}
        expected = caption_scores(texts, references, tokenizer=name)
        assert (found.scores, found.notes) == (expected.scores, expected.notes)
        assert bool(found.notes) == (name == "ptb")
        assert setting.provenance["metrics_tokenizer"] == record_of(name)
        records.add(setting.provenance["metrics_tokenizer"])
    assert len(records) == 4


def test_a_tokenizer_that_is_not_there_is_refused_when_the_benchmark_is_made():
    with pytest.raises(UserError, match="unknown tokenizer 'en'; there are ptb, char, zh, ja"):
        Captions(tokenizer="en")


def test_a_caption_is_neither_right_nor_wrong_and_has_a_row_in_coco_results():
    made = benchmark()
    (answer,) = answers(made, {"3": "a cat"}).values()
    assert made.right(answer) is None
    assert made.official({"3": "a cat", "x": "a dog"}) == [
        {"image_id": 3, "caption": "a cat"},
        {"image_id": "x", "caption": "a dog"},
    ]
