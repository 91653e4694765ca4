"""Questions of one image joined into a conversation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy import Rows, Square, question
from vqa_files import ASKED, many, vqa

from frozenvl.data.sources.joined import Joined
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.prompt import Turn
from frozenvl.util.errors import UserError


def ids(source: Joined) -> list[list[str]]:
    return [[turn.id for turn in example.turns] for example in source]


def test_the_questions_of_an_image_are_one_conversation(tmp_path):
    source = Joined(vqa(tmp_path, [ASKED[0], ASKED[2], ASKED[1]]))
    first, second = source
    bare = [replace(turn, references=()) for turn in first.turns]
    assert bare == [Turn((first.image, "Is it red?"), "yes", "10"), Turn(("How many?",), "2", "11")]
    assert (first.id, first.image_id, first.images) == ("coco/1", "coco/1", (first.image,))
    assert replace(second.turns[0], references=()) == Turn((second.image, "What?"), "b", "20")
    assert len(source) == source.pairs == 2 and source.image_ids() == ["coco/1", "coco/2"]


def test_turns_keep_the_answers_of_several_annotators():
    image = Square("a.png")
    rows = Rows(
        question(0, image, references=("yes",) * 9 + ("no",)), question(1, image, references=("yes",))
    )
    assert [turn.references for turn in Joined(rows)[0].turns] == [("yes",) * 9 + ("no",), ()]


def test_questions_without_an_answer_are_left_out(tmp_path):
    rows = Rows(question(0, answer="", references=()), question(1))
    rows.targets_per_example = [0, 1]
    source = Joined(rows)
    assert ids(source) == [["q1"]] and source.notes == {"questions without an answer left out": 1}
    with pytest.raises(UserError, match="none of its 3,000 questions has an answer"):
        Joined(many(tmp_path))


def test_a_random_order_is_drawn_once_by_its_seed():
    image = Square("a.png")
    rows = Rows(*(question(n, image) for n in range(9)))
    usual, drawn, again, other = (
        ids(Joined(rows, order, seed))
        for order, seed in (("file", 0), ("random", 1), ("random", 1), ("random", 2))
    )
    assert usual == [[f"q{n}" for n in range(9)]] and drawn == again
    assert len({str(order) for order in (usual, drawn, other)}) == 3 and sorted(drawn[0]) == usual[0]
    assert Joined(rows, "random", 1)[0].turns[0].message[0] == image


def test_many_questions_make_several_conversations():
    images = [Square("a.png"), Square("b.png")]
    rows = Rows(*(question(n, images[n % 2]) for n in range(7)))
    source = Joined(rows, max_turns=3)
    assert ids(source) == [["q0", "q2", "q4"], ["q6"], ["q1", "q3", "q5"]]
    assert [example.id for example in source] == ["a.png", "a.png#2", "b.png"]
    assert source.image_ids() == ["a.png", "a.png", "b.png"] == [example.image_id for example in source]
    assert source[-1].turns[0].message[0] == images[1]
    with pytest.raises(IndexError):
        source[3]


def test_candidates_of_a_question_stay_with_its_turn():
    turn = Joined(Rows(replace(question(0, answer="a"), choices=("a", "b"))))[0].turns[0]
    assert (turn.choices, turn.correct) == (("a", "b"), 0)


def test_only_questions_are_joined():
    captions = SceneCaptions(size=3)
    with pytest.raises(UserError, match="SceneCaptions: its examples are no questions"):
        Joined(captions)
    with pytest.raises(UserError, match="unknown order 'shuffled'; choose one of file, random"):
        Joined(captions, order="shuffled")
    with pytest.raises(UserError, match="max_turns is 0; give 1 or more"):
        Joined(captions, max_turns=0)
