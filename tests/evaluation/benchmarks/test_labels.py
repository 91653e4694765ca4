"""Lists of labels, their texts as queries, and the matrix of scores by embedding, likelihood or both."""

from __future__ import annotations

import numpy as np
import pytest
from suites import toy
from toy import Broken, Rows, Square

from frozenvl.data.order import mixed
from frozenvl.evaluation import ZeroShot
from frozenvl.evaluation.asks import Choose, Embed, EmbedAndChoose
from frozenvl.evaluation.benchmarks.labels import read_labels
from frozenvl.evaluation.query import Answer
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.wording import LABEL_TEMPLATES


def labelled(key: str, label: str, image=None) -> Example:
    return Example(key, image or Square(f"{key}.png"), f"photograph {key}", (label,), answer=label)


IMAGES = (labelled("1", "cat"), labelled("2", "dog"), labelled("3", "dog"))
TEMPLATES = ["a {label}.", "{label}"]


def zero_shot(*examples: Example, **options) -> ZeroShot:
    options = {"templates": TEMPLATES} | options
    return toy(toy=ZeroShot(source=Rows(*(examples or IMAGES)), **options))["toy"]


def answered(made: ZeroShot, vectors=None, values=None) -> dict[str, Answer]:
    """Answers queries by vectors (by text, or the id of the image) and by values (by id)."""
    answers = {}
    for query in made.queries(made.settings()[0]):
        if query.candidates:
            answers[query.id] = Answer(
                query, query.candidates[0], query.candidates[0], True, values[query.id]
            )
        else:
            part = query.prompt[0]
            vector = vectors[part if isinstance(part, str) else query.id.removesuffix("/image")]
            answers[query.id] = Answer(query, vector=np.array(vector, dtype=np.float32))
    return answers


def test_embeddings_ask_for_images_and_for_every_label_in_every_template():
    made = zero_shot()
    queries = {query.id: query for query in made.queries(made.settings()[0])}
    texts = {key: query.prompt for key, query in queries.items() if not key.endswith("image")}
    assert texts == {
        "label0/0": ("a cat.",), "label1/0": ("a dog.",), "label0/1": ("cat",), "label1/1": ("dog",),
    }  # fmt: skip
    assert queries["2/image"].prompt == (IMAGES[1].image,) and queries["2/image"].references == ("dog",)
    assert len(queries) == 7 and made.ask == Embed("")


def test_likelihoods_ask_for_each_image_with_the_labels_as_candidates():
    made = zero_shot(by="likelihood", choose="mean", end_token=True)
    queries = {query.id: query for query in made.queries(made.settings()[0])}
    assert len(queries) == 6 and made.ask == Choose("mean", end_token=True)
    assert queries["1/likelihood0"].prompt == (IMAGES[0].image, "a")
    assert queries["1/likelihood0"].candidates == (" cat.", " dog.")
    assert queries["1/likelihood1"].prompt == (IMAGES[0].image,)
    assert queries["1/likelihood1"].candidates == ("cat", "dog")


def test_both_ask_for_all_of_it():
    made = zero_shot(by="both", head="r", choose="difference", alpha=0.5)
    assert len(made.queries(made.settings()[0])) == 7 + 6
    assert made.ask == EmbedAndChoose(Embed("r"), Choose("difference", 0.5, end_token=False))


def test_a_labels_vector_is_the_normalised_mean_of_its_templates_normalised_vectors():
    made = zero_shot()
    vectors = {"a cat.": [9, 0], "cat": [0, 1], "a dog.": [1, 0], "dog": [1, 0]}
    examples, matrix = made.matrix(answered(made, vectors | {"1": [2, 2], "2": [3, 0], "3": [0, 1]}))
    assert [example.id for example in examples] == ["1", "2", "3"]
    half = 0.5**0.5
    assert matrix == pytest.approx(np.array([[1, half], [half, 1], [half, 0]]))


VALUES = {
    "1/likelihood0": (-1.0, -3.0), "1/likelihood1": (-2.0, -2.0),
    "2/likelihood0": (-4.0, -1.0), "2/likelihood1": (-2.0, -1.0),
    "3/likelihood0": (), "3/likelihood1": (),
}  # fmt: skip


def test_log_probabilities_are_means_over_templates():
    made = zero_shot(by="likelihood")
    _, matrix = made.matrix(answered(made, values=VALUES))
    assert matrix[:2] == pytest.approx(np.array([[-1.5, -2.5], [-3, -1]]))
    assert np.isnan(matrix[2]).all()  # unreadable


def test_both_is_the_sum_of_the_log_softmaxes():
    made = zero_shot(*IMAGES[:2], by="both", templates=["{label}"])
    vectors = {"cat": [1, 0], "dog": [0.6, 0.8], "1": [1, 0], "2": [0, 1]}
    values = {"1/likelihood0": (-2.0, -1.0), "2/likelihood0": (-4.0, -1.0)}
    _, matrix = made.matrix(answered(made, vectors, values))
    softmax = lambda row: np.exp(row) / np.exp(row).sum()
    expected = np.log(softmax(np.array([100.0, 60.0]))) + np.log(softmax(np.array([-2.0, -1.0])))
    assert matrix[0] == pytest.approx(expected)


def test_a_limited_evaluation_asks_for_the_labels_first():
    made = zero_shot()
    queries = made.queries(made.settings()[0])
    chosen = {queries[place].id for place in mixed(len(queries))[:4]}
    assert {"label0/0", "label1/0", "1/image"} < chosen and len(chosen) == 4
    vectors = {"a cat.": [1, 0], "cat": [5, 5], "a dog.": [0, 1], "dog": [5, 5]}
    answers = answered(made, vectors | {"1": [1, 0], "2": [0, 1], "3": [0, 1]})
    examples, matrix = made.matrix({key: answers[key] for key in chosen})
    assert [example.id for example in examples] == ["1", "2"]
    assert matrix == pytest.approx(np.eye(2))
    only = {key: answers[key] for key in ("1/image", "label0/0")}
    assert np.isnan(made.matrix(only)[1]).tolist() == [[False, True]]


def test_templates_are_recorded():
    assert zero_shot(templates="photo").settings()[0].provenance["templates"] == [*LABEL_TEMPLATES["photo"]]
    assert zero_shot().settings()[0].provenance == {"by": "embedding", "templates": TEMPLATES}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"templates": []}, "templates: none is given"),
        ({"templates": "foto"}, "templates: no list 'foto'; there are photo, caption, word"),
        ({"templates": ["a photo"]}, "'a photo' has to contain {label} once"),
        ({"labels": []}, "labels: is empty"),
        ({"labels": ["cat"]}, "labels: holds one label, 'cat'"),
        ({"labels": ["cat", " ", "dog"]}, "labels: label 2 is empty"),
        (
            {"labels": ["cat", "dog", " cat"]},
            r"labels: 'cat' stands twice \(labels 1 and 3\); remove one",
        ),
        ({"labels": ["cat", "dog"], "labels_file": "x"}, "both given; give one"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(UserError, match=message):
        zero_shot(**options)


def test_labels_of_a_file(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("cat\nelectric ray \n\n", encoding="utf-8")
    assert read_labels(None, str(file)) == ("cat", "electric ray")
    assert read_labels(None, None) == ()
    for text, message in (
        ("", "holds no labels; write one a line"),
        ("\n \n", "holds no labels"),
        ("cat\n\ndog", "line 2 is empty; remove it"),
        ("cat\ndog\ncat", r"'cat' stands twice \(lines 1 and 3\); remove one"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=message) as caught:
            read_labels(None, str(file))
        assert str(caught.value).startswith(f"{file}: ")
    with pytest.raises(UserError, match=r"none\.txt: cannot be read"):
        read_labels(None, str(tmp_path / "none.txt"))


def test_no_images_are_no_queries():
    made = toy(toy=ZeroShot(source=Rows()))["toy"]
    assert made.queries(made.settings()[0]) == []


def test_an_unreadable_image_still_has_its_query():
    made = zero_shot(*IMAGES, labelled("4", "cat", image=Broken()))
    assert "4/image" in {query.id for query in made.queries(made.settings()[0])}
