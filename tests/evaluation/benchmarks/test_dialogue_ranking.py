"""DialogueRanking: candidates, scores, ranks for the server, baselines, and runs on a tiny model."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import PIL.Image
import pytest
from running import one_line
from suites import rows_of, toy
from talks import POOL, REPLIES, TALK, TEXTS, optioned, talk
from toy import Broken, Rows, question

from frozenvl.data.stream import Task
from frozenvl.evaluation import DialogueRanking
from frozenvl.evaluation.preflight import check
from frozenvl.evaluation.query import Answer
from frozenvl.evaluation.requests import evaluation_of, in_order
from frozenvl.evaluation.runner import evaluate
from frozenvl.evaluation.score_file import read_score
from frozenvl.evaluation.suite import session_of
from frozenvl.metrics.rescored import ranked_replies
from frozenvl.prompt import Sample, Turn
from frozenvl.report.compare import compare
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


def ranking(*examples, **options) -> DialogueRanking:
    return toy(toy=DialogueRanking(source=Rows(*examples), **options))["toy"]


def answered(made: DialogueRanking, *values: tuple[list[float], list[float]]) -> dict[str, Answer]:
    """Answers the queries, in order, by values and values per token."""
    (setting, *_) = made.settings()
    return {
        query.id: Answer(query, "x", "x", True, tuple(total), mean_values=tuple(mean))
        for query, (total, mean) in zip(made.queries(setting), values, strict=True)
    }


OPTIONED = optioned(TALK, "no", "yes", "a child", "red", relevance=(0.0, 0.0, 1.0, 0.5))


def test_the_candidates_of_a_data_set_are_kept_in_its_order():
    made = ranking(OPTIONED)
    queries = list(made.queries(made.settings()[0]))
    assert queries[0].candidates == (" no", " yes", " a child", " red")
    assert [query.references for query in queries] == [("yes",), ("no",), ("a child",)]
    assert [query.scores for query in queries] == [{}, {}, {"a child": 1.0, "red": 0.5}]


def test_scores_of_both_orders():
    made = ranking(OPTIONED)
    worst_last = ([0, 3, 1, 2], [9, 3, 1, 2])  # rank of "yes": 1 by total, 2 per token
    tied = ([3, 3, 0, 0], [3, 1, 0, 0])  # rank of "no": 2, 1
    judged = ([3, 2, 1, 0], [0, 1, 2, 3])  # rank of "a child": 3, 2
    scores = made.score(made.settings()[0], answered(made, worst_last, tied, judged)).scores
    assert scores["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert scores["per_token/mrr"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert (scores["r1"], scores["mean_rank"]) == (pytest.approx(100 / 3), 2)
    assert [scores[f"round/{n}"] for n in (1, 2, 3)] == pytest.approx([1, 1 / 2, 1 / 3])
    best = 1 + 0.5 / math.log2(3)
    assert scores["ndcg"] == 0  # neither of the first two is relevant
    assert scores["per_token/ndcg"] == pytest.approx((0.5 + 1 / math.log2(3)) / best)


def test_ranks_of_visdial_are_written_for_its_server():
    made = ranking(replace(OPTIONED, turns=OPTIONED.turns[:2]))
    answers = answered(made, ([0, 3, 1, 2], [0] * 4), ([5, 5, 7, 1], [0] * 4))
    assert made.results(answers) == [
        {"image_id": 7, "round_id": 1, "ranks": [4, 1, 3, 2]},
        {"image_id": 7, "round_id": 2, "ranks": [2, 3, 1, 4]},
    ]
    other = ranking(optioned(TEXTS, "3", "4"))
    assert other.results(answered(other, ([1, 2], [1, 2]), ([1, 2], [1, 2]))) == []


def test_right_is_the_first_rank():
    made = ranking(replace(OPTIONED, turns=OPTIONED.turns[:2]))
    answers = answered(made, ([0, 3, 1, 2], [0] * 4), ([3, 3, 0, 0], [0] * 4))
    assert [made.right(answer) for answer in answers.values()] == [1, 0]


def test_candidates_without_options_come_from_the_pool():
    made = ranking(TALK, pool=POOL, candidates=6, frequent=3)
    queries = list(made.queries(made.settings()[0]))
    assert all(len(query.candidates) == 6 for query in queries)
    assert all({" yes", " no", " red"} - {f" {q.references[0]}"} < {*q.candidates} for q in queries)
    assert all(f" {query.references[0]}" in query.candidates for query in queries)
    assert made.settings()[0].provenance == {
        "candidates": "own, or else 6: the true one, 3 most frequent, random, seed 0"
    }


def test_the_pool_is_the_training_task_of_the_same_name():
    made = DialogueRanking("talks", candidates=6, frequent=3)
    train = {"talks": Task(POOL), "other": Task(Rows(question(1)))}
    made.bind(train, {"talks": Task(Rows(TALK))})
    assert len(made.queries(made.settings()[0])[0].candidates) == 6
    other = DialogueRanking("talks", answers="other")
    other.bind(train, {"talks": Task(Rows(TALK))})
    with pytest.raises(UserError, match="100 candidates need 99 wrong answers, and the pool has 0"):
        other.queries(other.settings()[0])[0]
    with pytest.raises(UserError, match=r"no task .third. in data\.train"):
        DialogueRanking("talks", answers="third").bind(train, {"talks": Task(Rows(TALK))})


def test_rounds_that_cannot_be_ranked_are_told():
    made = ranking(TALK)
    with pytest.raises(UserError, match="round 7/1 has no candidates: name a task"):
        made.queries(made.settings()[0])[0]
    empty = ranking(replace(TALK, turns=(Turn(("a",), ""),)), pool=POOL)
    with pytest.raises(UserError, match="neither candidates nor a reply"):
        empty.queries(empty.settings()[0])[0]
    with pytest.raises(UserError, match="unknown history 'own'; choose among gold, none"):
        DialogueRanking(source=Rows(TALK), history=["own"])
    with pytest.raises(UserError, match="at least 2"):
        DialogueRanking(source=Rows(TALK), candidates=1)


def test_baselines_are_chance_and_two_priors():
    made = ranking(OPTIONED)
    assert made.baselines(made.settings()[0]) == {"chance": pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)}
    is_it = talk("b", ("Is it now?", "no"), ("what colour is that?", "pink"))
    with_pool = ranking(is_it, pool=POOL, candidates=10, frequent=3)
    found = with_pool.baselines(with_pool.settings()[0])
    assert found.keys() == {"chance", "frequency", "question_words"}
    # By frequency yes, no and red (5, 4, 4 times) are first and the seven others tie; behind "is it" no and red tie.
    assert found["frequency"] == pytest.approx((1 / 3 + 1 / 10) / 2)
    assert found["question_words"] == pytest.approx((1 / 3 + 1 / 10) / 2)


@pytest.mark.parametrize("template", [None, Template("{image}{question}", "{target}", chat=True)])
@pytest.mark.parametrize("view", ["seeing", "text-only"])
def test_values_are_the_log_likelihoods_of_whole_prompts(tiny_trained, chatting, tmp_path, template, view):
    """Each candidate's value is the score of the prompt with the candidate as its target."""
    trained = chatting if template else tiny_trained
    session = session_of(trained, tmp_path, ["seeing"], 4, None)
    made = ranking(OPTIONED, optioned(TEXTS, "3", "a child"), template=template)
    (setting,) = made.settings()
    requests = evaluation_of(
        made, setting, view, session, in_order("toy", made.queries(setting), session)
    ).requests
    answers = made.ask(requests, session)
    assert len(answers) == 5
    for request, answer in zip(requests, answers, strict=True):
        for candidate, value, mean in zip(
            answer.query.candidates, answer.values, answer.mean_values, strict=True
        ):
            batch = session.plain([Sample("x", request.prompt, candidate)])
            assert value == pytest.approx(session.model.score(batch).item(), abs=1e-4)
            assert mean == pytest.approx(value / int((batch.labels >= 0).sum()), abs=1e-5)
        assert answer.text == answer.query.candidates[answer.values.index(max(answer.values))].strip()


def test_the_end_token_can_be_left_out(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    values = []
    for end_token in (True, False):
        made = ranking(OPTIONED, end_token=end_token)
        (setting,) = made.settings()
        evaluation = evaluation_of(
            made, setting, "seeing", session, in_order("toy", made.queries(setting), session)
        )
        assert evaluation.provenance["end_token"] is end_token
        values.append(made.ask(evaluation.requests, session)[0].values)
    assert all(without > whole for whole, without in zip(*values, strict=True))


def test_an_evaluation_can_be_scored_again_and_compared_with_its_blind_view(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing", "test-blind"], 4, None)
    made = toy(dialogue=DialogueRanking(source=Rows(OPTIONED, optioned(TEXTS, "3", "a child"))))["dialogue"]
    made.source = Rows(OPTIONED, optioned(talk("8", ("Is it?", "no")), "no", "yes"))
    (setting,) = made.settings()
    check(made, setting, session)
    evaluate(made, setting, session)
    seeing, blind = tmp_path / "dialogue-gold-history", tmp_path / "dialogue-gold-history-test-blind"
    score = read_score(seeing / "score.json")
    assert score.protocol == "dialogue_ranking" and score.samples == 4 and not score.partial
    assert score.scores.keys() >= {"mrr", "ndcg", "per_token/mrr", "round/1"}
    assert score.intervals.keys() == score.scores.keys()
    assert [row["round_id"] for row in json.loads((seeing / "results.json").read_text())] == [1, 2, 3, 1]
    found = compare(blind / "predictions.jsonl", seeing / "predictions.jsonl")
    assert found.a["mrr"] + found.differences["mrr"].difference == pytest.approx(score.scores["mrr"])
    assert found.differences["ndcg"].difference == pytest.approx(
        score.scores["ndcg"] - read_score(blind / "score.json").scores["ndcg"]
    )
    assert any("view" in line for line in found.warnings)
    assert rows_of(seeing)["7/3"]["scores"] == {"a child": 1.0, "red": 0.5}


def test_a_round_that_cannot_be_read_has_the_last_rank(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    broken = talk("9", ("Is it?", "no"))
    broken = optioned(
        replace(broken, image=Broken(), turns=(replace(broken.turns[0], message=(Broken(), "Is it?")),)),
        "no",
        "yes",
    )
    made = toy(dialogue=DialogueRanking(source=Rows(OPTIONED, broken)))["dialogue"]
    evaluate(made, made.settings()[0], session)
    score = read_score(tmp_path / "dialogue-gold-history/score.json")
    assert score.unreadable == 1
    rows = rows_of(tmp_path / "dialogue-gold-history")
    assert "values" not in rows["9/1"]
    assert ranked_replies({"9/1": rows["9/1"]}, {}).result.scores["mrr"] == 0.5


def test_without_a_pool_a_suite_tells_what_to_do(evaluate, capfd):
    source = {
        "class_path": "frozenvl.data.sources.scenes.SceneQuestions",
        "init_args": {"split": "val", "size": 3, "resolution": 64},
    }
    suite = {"talk": {"class_path": "frozenvl.evaluation.DialogueRanking", "init_args": {"source": source}}}
    assert evaluate(suite) == 2
    assert "name a task of data.train (answers) or a source (pool)" in one_line(capfd.readouterr().err)


def test_a_suite_ranks_questions_of_scenes(evaluate, run):
    source = lambda split, size: {
        "class_path": "frozenvl.data.sources.scenes.SceneQuestions",
        "init_args": {"split": split, "size": size, "resolution": 64},
    }
    options = {
        "source": source("val", 5),
        "pool": source("train", 40),
        "candidates": 4,
        "frequent": 1,
        "history": ["gold", "none"],
    }
    suite = {"talk": {"class_path": "frozenvl.evaluation.DialogueRanking", "init_args": options}}
    assert evaluate(suite, "--views", "seeing", "test-blind") == 0
    names = {folder.name for folder in (run / "evaluation").iterdir()}
    assert names >= {f"talk-{h}{v}" for h in ("gold-history", "no-history") for v in ("", "-test-blind")}
    score = read_score(run / "evaluation/talk-gold-history/score.json")
    assert score.baselines.keys() == {"chance", "frequency", "question_words"}
    # A question alone is the same with and without history.
    assert score.scores == read_score(run / "evaluation/talk-no-history/score.json").scores


def test_a_suite_ranks_visdials_files(evaluate, run, tmp_path):
    (tmp_path / "images").mkdir()
    for n in (7, 8):
        PIL.Image.new("RGB", (40, 30), (n * 9, 90, 9)).save(
            tmp_path / f"images/VisualDialog_val2018_{n:012d}.jpg"
        )
    rounds = [{"question": n, "answer": n, "answer_options": [2, 1, 0], "gt_index": 2 - n} for n in range(2)]
    texts = {"questions": ["is it red", "how many"], "answers": ["yes", "2", "no"]}
    dialogs = [{"image_id": n, "caption": "a circle", "dialog": rounds} for n in (7, 8)]
    (tmp_path / "val.json").write_text(json.dumps({"split": "val2018", "data": texts | {"dialogs": dialogs}}))
    dense = [{"image_id": 8, "round_id": 2, "gt_relevance": [0.0, 1.0, 0.4]}]
    (tmp_path / "dense.json").write_text(json.dumps(dense))
    files = {name: str(tmp_path / f"{name}.json") for name in ("val", "dense")}
    source = {"annotations": files["val"], "dense": files["dense"], "images": str(tmp_path / "images")}
    visdial = {"class_path": "frozenvl.data.sources.visdial.VisDial", "init_args": source}
    made = {"class_path": "frozenvl.evaluation.DialogueRanking", "init_args": {"source": visdial}}
    assert evaluate({"visdial": made}) == 0
    folder = run / "evaluation/visdial-gold-history"
    score, rows = read_score(folder / "score.json"), rows_of(folder)
    assert score.baselines == {"chance": pytest.approx((1 + 1 / 2 + 1 / 3) / 3)}
    ranks = {
        (row["image_id"], row["round_id"]): row["ranks"]
        for row in json.loads((folder / "results.json").read_text())
    }
    assert [*ranks] == [(7, 1), (7, 2), (8, 1), (8, 2)]
    gold = [
        ranks[image, number][3 - number] for image, number in ranks
    ]  # no ties here: the same ranks as the scores'
    assert score.scores["mrr"] == pytest.approx(sum(1 / rank for rank in gold) / 4)
    gains = dict(zip(ranks[8, 2], [0.0, 1.0, 0.4], strict=True))
    expected = (gains[1] + gains[2] / math.log2(3)) / (1 + 0.4 / math.log2(3))
    assert score.scores["ndcg"] == pytest.approx(expected)
    assert "a circle is it red?" in rows["8/2"]["prompt"][1]["text"]


def test_names_of_all_replies_differ():
    assert len({*REPLIES}) == len(REPLIES)  # the pools of these tests count on it
