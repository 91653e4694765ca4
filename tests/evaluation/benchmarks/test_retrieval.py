"""Retrieval: the gallery, its queries, ties, unreadable images, limits, and a run with an embedding head."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
from retrieval_models import retrieval_model
from running import one_line
from suites import described, rows_of, scenes, toy
from toy import Broken, Rows, Square

from frozenvl.data.order import mixed
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.data.stream import Task
from frozenvl.evaluation import Retrieval
from frozenvl.evaluation.asks import Choose, Embed, EmbedAndChoose
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.requests import in_order
from frozenvl.evaluation.runner import evaluate as evaluate_setting
from frozenvl.evaluation.score_file import read_score
from frozenvl.evaluation.session import Session
from frozenvl.evaluation.suite import session_of
from frozenvl.metrics.ranking import first_ranks
from frozenvl.model.heads import Matching as MatchingHead
from frozenvl.prompt import Example
from frozenvl.report.compare import compare
from frozenvl.training.trained_run import load_trained
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


def shown(key: str, *captions: str, image=None) -> Example:
    return Example(key, image or Square(f"{key}.png"), f"photograph {key}", captions)


def retrieval(*examples: Example, **options) -> Retrieval:
    return toy(toy=Retrieval(source=Rows(*examples), **options))["toy"]


def answered(made: Retrieval, **vectors) -> dict[str, Answer]:
    """Answers queries by vectors: of images by id, of captions by text with `_` for spaces; None is unreadable."""
    answers = {}
    for query in made.queries(made.settings()[0]):
        part = query.prompt[0]
        key = part.replace(" ", "_") if isinstance(part, str) else query.id.removesuffix("/image")
        vector = vectors[key]
        read = {"unreadable": "torn"} if vector is None else {"vector": np.array(vector, dtype=np.float32)}
        answers[query.id] = Answer(query, **read)
    return answers


TWO = (shown("a", "a dog", "two dogs"), shown("b", "a cat"))


def test_queries_are_the_images_and_all_their_captions():
    made = retrieval(*TWO)
    queries = {query.id: query for query in made.queries(made.settings()[0])}
    assert {key: query.prompt for key, query in queries.items()} == {
        "a/image": (TWO[0].image,),
        "a/caption0": ("a dog",),
        "a/caption1": ("two dogs",),
        "b/image": (TWO[1].image,),
        "b/caption0": ("a cat",),
    }
    assert queries["a/caption1"].image_id == "photograph a"
    one = retrieval(*TWO, captions_per_image=1)
    assert len(one.queries(one.settings()[0])) == 4


def test_scores_by_hand():
    made = retrieval(*TWO)
    answers = answered(made, a=[2, 0], b=[0, 3], a_dog=[5, 1], two_dogs=[1, 2], a_cat=[1, 1])
    result = made.score(made.settings()[0], answers)
    # a: "a dog" is nearest; b: "two dogs" is nearer than "a cat". "a cat" ties between both: wrong.
    assert (result.scores["i2t_r1"], result.scores["i2t_medr"]) == (50, 1)
    assert result.scores["t2i_r1"] == pytest.approx(100 / 3)
    assert result.scores["rsum"] == pytest.approx(50 + 100 / 3 + 400)
    assert result.units == ["photograph a", "photograph b"]
    assert result.notes == ["2 images and 3 captions are searched"]


def test_examples_of_one_image_are_one_image():
    image = Square("same.png")
    made = retrieval(shown("a", "a dog", image=image), shown("b", "a cat"), shown("c", "a pup", image=image))
    assert [item.image.id for item in made.items] == ["a/image", "b/image"]
    assert [query.prompt for query in made.items[0].captions] == [("a dog",), ("a pup",)]


def test_the_same_text_on_two_images_is_right_for_its_own_and_has_one_vector():
    made = retrieval(shown("a", "a dog"), shown("b", "a dog"), shown("c", "a cat"))
    answers = answered(made, a=[1, 0], b=[1, 0.1], c=[0, 1], a_dog=[1, 0], a_cat=[0, 1])
    # The batch's padding moves a vector a little: it must not decide between equal texts.
    answers["b/caption0"].vector[:] = [1, 0.001]
    result = made.score(made.settings()[0], answers)
    assert result.whole[0].ranks.tolist() == [2, 2, 1]
    assert result.whole[1].ranks.tolist() == [1, 2, 1]
    assert "2 captions have the text of another image's caption, with which they tie" in result.notes


def test_an_unreadable_image_is_not_found_and_the_rest_is_scored():
    made = retrieval(*TWO, shown("c", "a cow"))
    vectors = {"a_dog": [1, 0, 0], "two_dogs": [1, 0, 0], "a_cat": [0, 1, 0], "a_cow": [0, 0, 1]}
    result = made.score(made.settings()[0], answered(made, a=[1, 0, 0], b=[0, 1, 0], c=None, **vectors))
    assert result.whole[0].ranks.tolist() == [1, 1, 4]
    assert result.whole[1].ranks.tolist() == [1, 1, 1, 3]
    assert "1 images cannot be read: they and their captions are not found" in result.notes


def test_if_no_image_can_be_read_nothing_is_found():
    made = retrieval(*TWO)
    vectors = {"a_dog": [1, 0, 0], "two_dogs": [1, 0, 0], "a_cat": [0, 1, 0]}
    result = made.score(made.settings()[0], answered(made, a=None, b=None, **vectors))
    assert result.scores["i2t_r1"] == result.scores["t2i_r1"] == 0


def test_a_limit_that_asks_for_no_caption_is_answered_with_what_to_do():
    made = retrieval(*TWO, rerank=2)
    answers = answered(made, a=[1, 0], b=[0, 1], a_dog=[1, 0], two_dogs=[1, 0], a_cat=[0, 1])
    with pytest.raises(UserError, match="toy: no image was asked together with its captions; evaluate more"):
        made.further_queries(made.settings()[0], {"a/image": answers["a/image"]})


def test_folds_are_consecutive_groups_of_the_source():
    made = retrieval(*(shown(str(n), f"caption {n}") for n in range(4)), folds=2)
    rows = {str(n): [np.cos(n), np.sin(n)] for n in range(4)}
    # 0 and 1 are exchanged within a fold, 2 and 3 are right
    captions = {f"caption_{n}": rows[str({0: 1, 1: 0}.get(n, n))] for n in range(4)}
    scores = made.score(made.settings()[0], answered(made, **rows, **captions)).scores
    assert scores["folds/i2t_r1"] == 50 and scores["folds/t2i_medr"] == 1.5
    assert made.settings()[0].facts == {"folds": 2}


def test_a_limit_asks_for_whole_images_and_says_that_scores_are_too_high():
    made = retrieval(*(shown(str(n), f"caption {n}", f"{n}") for n in range(9)), folds=3)
    rows = {str(n): [np.cos(n), np.sin(n)] for n in range(9)}
    answers = answered(made, **rows, **{f"caption_{n}": rows[str(n)] for n in range(9)})
    queries = made.queries(made.settings()[0])
    chosen = [queries[place].id for place in mixed(len(queries))[:8]]
    assert sum(key.endswith("image") for key in chosen) == 3
    result = made.score(made.settings()[0], {key: answers[key] for key in chosen})
    assert result.notes == ["3 images and 5 captions are searched, fewer than all: recalls are too high"]
    assert not any(name.startswith("folds/") for name in result.scores)
    assert result.scores["i2t_r1"] == 100


def reranked(made: Retrieval, answers: dict[str, Answer], **values) -> dict[str, Answer]:
    """Adds the answers to the further queries, by the id of the image; None is unreadable."""
    further = made.further_queries(made.settings()[0], answers)
    for query in further:
        given = values[query.id.removesuffix("/rerank")]
        answers[query.id] = Answer(query, values=given) if given else Answer(query, unreadable="torn")
    return answers


THREE = (shown("a", "one"), shown("b", "two"), shown("c", "three"))
NEAR = {
    "a": [1, 0, 0],
    "b": [0, 1, 0],
    "c": [0, 0, 1],
    "one": [2, 3, 0],
    "two": [3, 2, 0],
    "three": [0, 0, 1],
}


def test_the_nearest_captions_of_each_image_are_ordered_again():
    made = retrieval(*THREE, rerank=2, template=Template("{image}It shows", " {target}"))
    assert made.ask == EmbedAndChoose(Embed(""), Choose("difference", end_token=False))
    answers = answered(made, **NEAR)
    further = {query.id: query for query in made.further_queries(made.settings()[0], answers)}
    assert further.keys() == {"a/rerank", "b/rerank", "c/rerank"}
    assert further["a/rerank"].prompt == (THREE[0].image, "It shows")
    assert further["a/rerank"].candidates == (" two", " one")
    assert further["b/rerank"].candidates == (" one", " two")
    assert further["c/rerank"].candidates[0] == " three"
    reranked(made, answers, a=(-5.0, -3.0), b=(-1.0, -4.0), c=(-1.0, -2.0))
    result = made.score(made.settings()[0], answers)
    assert result.before.whole[0].ranks.tolist() == [2, 2, 1]
    assert result.after.whole[0].ranks.tolist() == [1, 2, 1]
    assert result.scores["gain/i2t_r1"] == pytest.approx(100 / 3)
    assert result.scores["t2i_r1"] == pytest.approx(100 / 3) and "reranked/rsum" not in result.scores
    assert "i2t: only the first 2 candidates were re-ranked; ranks beyond are void" in result.notes


def test_the_similarity_is_added_with_a_weight():
    values = {"a": (-5.0, -3.0), "b": (-1.0, -4.0), "c": (-1.0, -2.0)}
    ranks = {}
    for weight in (0.0, 1e3):
        made = retrieval(*THREE, rerank=2, similarity_weight=weight)
        answers = reranked(made, answered(made, **NEAR), **values)
        ranks[weight] = made.score(made.settings()[0], answers).after.whole[0].ranks.tolist()
        assert made.settings()[0].provenance["similarity_weight"] == weight
    assert ranks == {0.0: [1, 2, 1], 1e3: [2, 2, 1]}


def test_an_unreadable_image_is_not_reranked_nor_found():
    made = retrieval(*THREE, rerank=2)
    answers = answered(made, **NEAR | {"a": None})
    further = made.further_queries(made.settings()[0], answers)
    assert {query.id for query in further} == {"b/rerank", "c/rerank"}
    reranked(made, answers, b=(-4.0, -1.0), c=None)
    assert made.score(made.settings()[0], answers).after.whole[0].ranks.tolist() == [3, 1, 3]


def test_without_reranking_there_are_no_further_queries():
    made = retrieval(*THREE)
    assert made.further_queries(made.settings()[0], answered(made, **NEAR)) == ()
    assert made.template is None and len(made.metrics) < len(retrieval(*THREE, rerank=2).metrics)


def test_the_captions_are_worded_as_the_task_words_them():
    made, wording = Retrieval(rerank=5), Template("{image}This is", " {target}")
    made.bind({}, {"captions": Task(Rows(*THREE), wording)})
    assert made.template == wording
    own = Retrieval("captions", rerank=5, template=Template("{image}"))
    own.bind({}, {"captions": Task(Rows(*THREE), wording)})
    assert own.template == Template("{image}")


def test_reranking_by_the_captioner_is_that_of_its_own_likelihoods(headed, tmp_path):
    session = session_of(load_trained(headed), tmp_path, ["seeing"], 5, None)
    source = SceneCaptions("val", size=6, resolution=64)
    made = toy(toy=Retrieval(source=source, rerank=10, rerank_by="sum"))["toy"]
    setting = made.settings()[0]
    evaluate_setting(made, setting, session)
    score = read_score(tmp_path / "toy/score.json")
    assert {"reranked/rsum", "reranked/i2t_r1", "gain/i2t_r1"} < score.scores.keys()
    rows = rows_of(tmp_path / "toy")
    hits = []
    for index in range(6):
        row, own = rows[f"scenes/val/caption/{index}/rerank"], source[index].references
        (likelihoods,) = session.model.rank_candidates(
            session.plain, [(source[index].image,)], [row["candidates"]]
        )
        values = [one.logp - one.end for one in likelihoods]
        assert row["values"] == pytest.approx(values, abs=1e-3)
        best = max(
            [value for text, value in zip(row["candidates"], values, strict=True) if text in own],
            default=None,
        )
        others = [value for text, value in zip(row["candidates"], values, strict=True) if text not in own]
        hits.append(best is not None and best > max(others, default=-np.inf))
    assert score.scores["reranked/i2t_r1"] == pytest.approx(100 * np.mean(hits))


@pytest.mark.parametrize("by", ["head", "yes"])
def test_a_head_or_an_answer_reranks_with_the_similarity(tiny_language, tiny_vision, tmp_path, by):
    model = retrieval_model(tiny_language, tiny_vision, extra={"m": MatchingHead()}).eval()
    session = Session(model, model.processor(), tmp_path, {"blind": False}, 0, 4)
    source = SceneCaptions("val", size=5, resolution=64)
    made = toy(toy=Retrieval(source=source, rerank=4, rerank_by=by, similarity_weight=2.0))["toy"]
    evaluate_setting(made, made.settings()[0], session)
    judge = model.match if by == "head" else model.match_by_answer
    rows, hits = rows_of(tmp_path / "toy"), []
    for index in range(5):
        row, image = rows[f"scenes/val/caption/{index}/rerank"], source[index].image
        odds = judge(session.plain, [(image, text) for text in row["candidates"]]).numpy()
        assert row["values"] == pytest.approx(odds, abs=1e-3) and "text_values" not in row
        cosines = (
            model.embed_texts(session.plain, row["candidates"])
            @ model.embed_images(session.plain, [image])[0]
        )
        own = np.array([text in source[index].references for text in row["candidates"]])
        values = odds + 2 * cosines.numpy()
        hits.append(values[own].max(initial=-np.inf) > values[~own].max(initial=-np.inf))
    scores = read_score(tmp_path / "toy/score.json").scores
    assert scores["reranked/i2t_r1"] == pytest.approx(100 * np.mean(hits))


def test_a_missing_matching_head_is_found_before_anything_is_asked(headed, evaluate, run, capsys):
    options = {"rerank": 4, "rerank_by": "head"}
    suite = {"found": described("Retrieval", source=scenes("SceneCaptions", size=4), **options)}
    capsys.readouterr()
    assert evaluate(suite, checkpoint=headed) == 2
    assert one_line(capsys.readouterr().err).startswith("found: the model has no matching head; train one")


def test_the_gallery_has_images_found_by_captions_and_captions_found_by_images():
    made = retrieval(*TWO, shown("c", "a cow", image=Broken()))
    vectors = {"a_dog": [1, 0], "two_dogs": [1, 0.1], "a_cat": [0, 1], "a_cow": [1, 1]}
    tiles = [*made.tiles(made.settings()[0], answered(made, a=[1, 0], b=[0, 1], c=None, **vectors))]
    assert ("a cat", ["1. ✓ 1.00"]) in [(tile.question, tile.texts) for tile in tiles]
    assert ["1. ✓ 1.00 a dog", "2. ✓ 1.00 two dogs", "3. ✗ 0.71 a cow"] in [tile.texts for tile in tiles]


def test_a_bank_lowers_captions_and_images_that_are_near_to_everything():
    bank = Rows(
        shown("c", "", "three", "four"), shown("d", "five"), shown("no caption"), shown("beyond", "six")
    )
    # "two dogs" is nearest to both images, and to those of the bank.
    vectors = {"a": [1, 0.2], "b": [0.6, 0.8], "a dog": [1, 0], "two dogs": [1, 1.01], "a cat": [0.3, 0.9]}
    vectors |= {
        "three": [0, 1],
        "five": [1, 0],
        "six": [0.5, 0.5],
        "bank image 0": [1, 1],
        "bank image 1": [1, 1],
    }
    first = {}
    for size in (0, 2):
        options = {"bank": bank, "bank_size": size} if size else {}
        made = retrieval(*TWO, **options)
        answers = {}
        for query in made.queries(made.settings()[0]):
            part = query.prompt[0]
            key = part if isinstance(part, str) else query.id.removesuffix("/image")
            answers[query.id] = Answer(query, vector=np.array(vectors[key], dtype=np.float32))
        first[size] = made.score(made.settings()[0], answers).whole[0].ranks.tolist()
        if size:
            assert made.settings()[0].provenance["bank"] == 2
            assert {key for key in answers if key.startswith("bank")} == {
                f"bank {kind} {place}" for kind in ("image", "caption") for place in range(2)
            }
            limited = {key: answer for key, answer in answers.items() if key != "bank caption 1"}
            without = made.score(made.settings()[0], limited)
            assert without.whole[0].ranks.tolist() == first[0]
            assert "the bank was not asked: similarities are not normalised" in without.notes
    assert first == {0: [1, 2], 2: [1, 1]}


def test_chance():
    made = retrieval(*(shown(str(n), f"caption {n}") for n in range(20)))
    assert made.baselines(made.settings()[0]) == {"chance": pytest.approx(2 * (5 + 25 + 50))}


@pytest.mark.parametrize(
    ("examples", "options", "message"),
    [
        ([shown("a"), shown("b")], {}, "toy: none of its examples has a caption; .* there is ZeroShot"),
        (TWO, {"folds": 3}, "toy: 2 images cannot be split into 3 folds"),
        (TWO, {"rerank": -1}, "rerank is a number of captions"),
        (TWO, {"bank": Rows(shown("c"))}, "toy: no example of its bank has a caption; give training data"),
        (TWO, {"bank": Rows(*TWO)}, "toy: 2 photographs of its bank are in the gallery; give other data"),
        (TWO, {"folds": 0}, "folds and captions_per_image start at 1"),
    ],
)
def test_bad_input(examples, options, message):
    with pytest.raises(UserError, match=message):
        retrieval(*examples, **options).prepare(False)


def test_arguments_reach_the_request():
    assert Retrieval(source=Rows()).ask == Embed("")
    assert Retrieval(source=Rows(), head="r").ask == Embed("r")
    assert Retrieval(source=Rows(), head=None).ask == Embed(None)


def test_a_model_without_a_head_is_refused_before_anything_is_asked(evaluate, run, capsys):
    capsys.readouterr()
    assert evaluate({"found": described("Retrieval", source=scenes("SceneCaptions", size=4))}) == 2
    assert one_line(capsys.readouterr().err).startswith("found: the model has no embedding head; train one")


def test_a_run_is_evaluated_in_training(headed):
    score = read_score(headed / "evaluation/retrieval/score.json")
    lines = [json.loads(line) for line in (headed / "history.jsonl").read_text().splitlines()]
    logged = [line["retrieval/rsum"] for line in lines if "retrieval/rsum" in line]
    assert score.scores["rsum"] == pytest.approx(logged[-1]) and len(logged) == 2
    assert score.samples == score.of == 5 * (1 + 5) and score.step == 6
    again = compare(*[headed / "evaluation/retrieval/predictions.jsonl"] * 2)
    assert again.a == pytest.approx(score.scores) and again.metrics == score.metrics


@pytest.mark.parametrize("head", ["", "r", None])
def test_a_run_with_a_head_is_evaluated_and_its_answers_are_reused(headed, evaluate, run, capsys, head):
    suite = {"found": described("Retrieval", source=scenes("SceneCaptions", size=12), head=head, folds=2)}
    assert evaluate(suite, checkpoint=headed) == 0
    folder = headed / "evaluation/found"
    score = read_score(folder / "score.json")
    assert score.main == "rsum" and score.unreadable == 0 and not score.partial
    with PIL.Image.open(folder / "gallery.png") as sheet:
        assert sheet.height > 4 * 224, "three captions and two rows of images"
    assert score.setting == {"folds": 2} and 0 < score.baselines["chance"] < 600
    low, high = score.intervals["rsum"]
    assert low <= score.scores["rsum"] <= high
    rows = rows_of(folder)
    assert len({len(row["vector"]) for row in rows.values()}) == 1
    capsys.readouterr()
    assert evaluate(suite, checkpoint=headed) == 0
    assert f"{len(rows)} of {len(rows)} answers are reused" in capsys.readouterr().out
    assert read_score(folder / "score.json").scores == score.scores


def test_scores_are_those_of_the_models_own_embeddings(headed, tmp_path):
    session = session_of(load_trained(headed), tmp_path, ["seeing"], 5, None)
    source = SceneCaptions("val", size=12, resolution=64)
    examples = [source[index] for index in range(12)]
    texts = [example.references[0] for example in examples]
    made = toy(toy=Retrieval(source=source, captions_per_image=1))["toy"]
    queries = in_order("toy", made.queries(made.settings()[0]), session)
    answers = made.ask([Request(query, query.prompt, 0) for query in queries], session)
    result = made.score(made.settings()[0], {answer.query.id: answer for answer in answers})
    images = session.model.embed_images(session.plain, [example.image for example in examples]).numpy()
    captions = session.model.embed_texts(session.plain, texts).numpy()
    unique = np.array([texts.index(text) for text in texts])
    expected = first_ranks((images, captions[unique]), [[n] for n in range(12)])
    assert result.whole[0].ranks.tolist() == expected.tolist()


def test_broken_images_are_listed(headed, tmp_path):
    session = session_of(load_trained(headed), tmp_path, ["seeing"], 5, None)
    made = retrieval(*TWO, shown("c", "a cow", image=Broken()))
    requests = [Request(query, query.prompt, 0) for query in made.queries(made.settings()[0])]
    answers = {answer.query.id: answer for answer in made.ask(requests, session)}
    assert [key for key, answer in answers.items() if answer.unreadable] == ["c/image"]
    assert made.score(made.settings()[0], answers).whole[1].ranks[-1] == 3
