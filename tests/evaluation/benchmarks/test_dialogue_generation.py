"""DialogueGeneration: scores of replies as answers and as captions, and runs with true, own and no history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from suites import rows_of, toy
from talks import TALK, TEXTS, talk
from toy import Rows, question

from frozenvl.data.sources.joined import Joined
from frozenvl.data.stream import Task
from frozenvl.evaluation import DialogueGeneration
from frozenvl.evaluation.preflight import check
from frozenvl.evaluation.query import Answer
from frozenvl.evaluation.runner import evaluate
from frozenvl.evaluation.score_file import read_score
from frozenvl.evaluation.suite import session_of
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.metric import main_of
from frozenvl.prompt import Turn
from frozenvl.report.compare import compare
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

CHAT = Template("{image}{question}", "{target}", chat=True)


def generation(*examples, **options) -> DialogueGeneration:
    return toy(talk=DialogueGeneration(source=Rows(*examples), max_new_tokens=4, **options))["talk"]


def said(made: DialogueGeneration, *texts: str) -> dict[str, Answer]:
    (setting, *_) = made.settings()
    return {q.id: Answer(q, text) for q, text in zip(made.queries(setting), texts, strict=True)}


def test_replies_are_scored_like_answers_overall_and_by_round():
    made = generation(TALK, talk("b", ("Is it?", "yes")))
    scores = made.score(made.settings()[0], said(made, "Yes.", "yes", "child", "no")).scores
    assert scores == {"overall": 50, "round/1": 50, "round/2": 0, "round/3": 100}


def test_answers_of_several_annotators_count_as_in_vqa():
    made = toy(
        talk=DialogueGeneration(source=Joined(Rows(question(1, references=("yes",) * 2 + ("no",) * 8))))
    )
    made = made["talk"]
    answers = said(made, "yes")
    assert made.score(made.settings()[0], answers).scores["overall"] == pytest.approx(60)
    assert made.right(answers["q1"]) == pytest.approx(0.6)
    alone = generation(question(1, references=("yes",) * 2 + ("no",) * 8))
    assert alone.score(alone.settings()[0], said(alone, "yes")).scores["overall"] == pytest.approx(60)


def test_long_replies_are_scored_like_captions():
    long = talk("b", ("What?", "two dogs in the snow"), ("And?", "a red ball on a table"))
    made = generation(long, scored_as="captions")
    texts = ("two dogs in snow", "a blue ball on a table")
    result = made.score(made.settings()[0], said(made, *texts))
    whole = caption_scores(
        dict(zip(("b/1", "b/2"), texts, strict=True)),
        {"b/1": [long.turns[0].reply], "b/2": [long.turns[1].reply]},
    )
    assert {name: result.scores[name] for name in whole.scores} == pytest.approx(whole.scores)
    assert "round/2 ROUGE_L" in result.scores
    assert main_of(made.metrics).name in result.scores
    assert made.right(said(made, *texts)["b/1"]) is None
    assert made.settings()[0].provenance["scored_as"] == "captions"


@pytest.mark.parametrize("template", [None, CHAT], ids=["plain", "chat"])
def test_histories_of_a_tiny_model(tiny_trained, chatting, tmp_path, template):
    session = session_of(chatting if template else tiny_trained, tmp_path, ["seeing", "test-blind"], 2, None)
    histories = ["gold", "own", "none"]
    made = generation(TALK, talk("b", ("Is it?", "yes")), template=template, history=histories)
    for setting in made.settings():
        check(made, setting, session)
        evaluate(made, setting, session)
    scores = {
        name: read_score(tmp_path / f"talk-{name}/score.json")
        for name in ("gold-history", "own-history", "no-history", "own-history-test-blind")
    }
    assert all(score.samples == score.of == 4 and not score.partial for score in scores.values())
    gold, own, none = (
        rows_of(tmp_path / f"talk-{name}") for name in ("gold-history", "own-history", "no-history")
    )
    assert gold["7/1"]["prompt"] == own["7/1"]["prompt"] == none["7/1"]["prompt"]
    read = "".join(part.get("text", "") for part in own["7/3"]["prompt"])
    assert own["7/1"]["text"] in read and own["7/2"]["text"] in read
    assert "".join(part.get("text", "") for part in gold["7/3"]["prompt"]) != read
    borders = [part["border"] for part in own["7/3"]["prompt"] if "border" in part]
    assert borders == (
        ["opening", *["reply", "end of turn", "next"] * 2, "reply"] if template else ["end", "end"]
    )
    change = compare(
        tmp_path / "talk-no-history/predictions.jsonl", tmp_path / "talk-gold-history/predictions.jsonl"
    )
    assert change.differences.keys() >= {"overall", "round/3"}


def test_an_interrupted_evaluation_with_its_own_history_goes_on(tiny_trained, tmp_path, answered):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 1, None)
    made = generation(TALK, TEXTS, history=["own"])
    made.source = Rows(TALK, talk("b", ("Is it?", "yes"), ("Sure?", "no")))
    (setting,) = made.settings()
    evaluate(made, setting, session)
    assert len(answered) == 5
    before = rows_of(tmp_path / "talk-own-history")
    evaluate(made, setting, session)
    assert len(answered) == 5 and rows_of(tmp_path / "talk-own-history") == before


def test_a_limited_evaluation_asks_whole_conversations(tiny_trained, tmp_path):
    session = replace(session_of(tiny_trained, tmp_path, ["seeing"], 1, 1), resumable=False)
    made = generation(TALK, talk("b", ("Is it?", "yes"), ("Sure?", "no")), history=["own"])
    evaluate(made, made.settings()[0], session)
    score = read_score(tmp_path / "talk-own-history/score.json")
    assert score.partial and {key.split("/")[0] for key in rows_of(tmp_path / "talk-own-history")} in (
        {"7"},
        {"b"},
    )
    assert score.samples == len(rows_of(tmp_path / "talk-own-history")) in (2, 3)


def test_a_task_gives_source_and_template():
    made = DialogueGeneration("talks")
    task = Task(Rows(TALK), Template("{image}Q: {question} A:", " {target}"))
    made.bind({}, {"talks": task})
    assert made.name == "talks_dialogue_generation" and DialogueGeneration().name == "dialogue_generation"
    assert "Q: Is it red? A:" in made.queries(made.settings()[0])[0].prompt
    assert made.ask.stop == ("\n",)
    with pytest.raises(UserError, match=r"no task 'others' in data\.val"):
        DialogueGeneration("others").bind({}, {"talks": task})


def test_wrong_kinds_of_scores_are_told():
    with pytest.raises(UserError, match="unknown scored_as 'mrr'; choose answers or captions"):
        DialogueGeneration(scored_as="mrr")


def test_a_round_without_a_reply_is_told(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 2, None)
    made = generation(replace(TALK, turns=(Turn((TALK.image, "Is it?"), ""),)))
    with pytest.raises(UserError, match="query 7/1 has no answer to score against"):
        check(made, made.settings()[0], session)
