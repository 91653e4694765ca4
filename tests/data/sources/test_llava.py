"""LLaVA's conversations, as questions and as captions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.llava import LlavaCaptions, LlavaQuestions
from frozenvl.util.errors import UserError


def conversation(*texts, **more) -> dict:
    messages = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]
    return {"id": "33471", "image": "coco/train2017/000000033471.jpg", "conversations": messages} | more


ROWS = [
    conversation("<image>\nWhat is\nshown?", "A bus.", "What colour?", "White\nand red."),
    conversation("Why?\n<image>", "Because."),
    conversation("<image>\nWho?", "Me.", id="9", image="vg/VG_100K_2/2.jpg"),
    conversation("Where?", "There.", id="8", image="gqa/images/2354786.jpg"),
    conversation("<image>\nWhen?", "Now.", id="7", image="gqa/images/n5.jpg"),
    {"id": "wgByO4Y_0", "model": "", "conversations": [{"from": "human", "value": "hello"}]},
]


def questions(folder, *rows, **more) -> LlavaQuestions:
    return LlavaQuestions(write(folder, "llava.json", list(rows)), str(folder / "images"), **more)


def captions(folder, *rows) -> LlavaCaptions:
    return LlavaCaptions(write(folder, "llava.json", list(rows)), str(folder / "images"))


REPEATED = "records with the id of another one, told apart as ID#2, ID#3, …"


def test_the_first_turn_of_each_conversation_is_a_question(tmp_path):
    source = questions(tmp_path, *ROWS)
    assert [(e.id, e.question, e.answer, e.references) for e in source] == [
        ("33471/0", "What is shown?", "A bus.", ("A bus.",)),
        ("33471#2/0", "Why?", "Because.", ("Because.",)),
        ("9/0", "Who?", "Me.", ("Me.",)),
        ("8/0", "Where?", "There.", ("There.",)),
        ("7/0", "When?", "Now.", ("Now.",)),
    ]
    assert source[0].image.path == tmp_path / "images/coco/train2017/000000033471.jpg"
    assert source.notes == {
        "later turns of conversations left out": 1,
        "conversations without an image left out": 1,
        REPEATED: 1,
    }


def test_all_turns_are_questions_on_request(tmp_path):
    source = questions(tmp_path, *ROWS[:2], turns="all")
    assert [(e.id, e.question, e.answer) for e in source] == [
        ("33471/0", "What is shown?", "A bus."),
        ("33471/1", "What colour?", "White and red."),
        ("33471#2/0", "Why?", "Because."),
    ]
    assert source.notes == {REPEATED: 1}
    with pytest.raises(UserError, match="unknown turns 'last'; choose one of first, all"):
        questions(tmp_path, *ROWS, turns="last")


def test_photographs_are_named_as_in_other_sources(tmp_path):
    names = questions(tmp_path, *ROWS).image_ids()
    assert names[:4] == ["coco/33471", "coco/33471", "vg/2", "vg/2354786"] and names[4].endswith(
        "images/n5.jpg"
    )
    image_data = write(tmp_path, "image_data.json", [{"image_id": 2, "coco_id": 77}])
    assert questions(tmp_path, *ROWS, image_data=image_data).image_ids()[2] == "coco/77"


def test_captions_are_the_answers(tmp_path):
    source = captions(
        tmp_path,
        conversation("<image>\nWhat is this?", "a bunk room", id="000019465", image="00001/000019465.jpg"),
        conversation(
            "Describe the image.\n<image>", "a\ngarden", id="000016513", image="00001/000016513.jpg"
        ),
        ROWS[-1],
    )
    assert [(e.id, e.image.name, e.references, e.question) for e in source] == [
        ("000019465", "000019465.jpg", ("a bunk room",), ""),
        ("000016513", "000016513.jpg", ("a garden",), ""),
    ]
    assert source.notes == {"conversations without an image left out": 1} and source.pairs == 2


def test_two_captions_of_an_image_are_one_example(tmp_path):
    one, two = conversation("Describe it.", "a bus"), conversation("Summarize it.", "the bus")
    (example,) = captions(tmp_path, one, two)
    assert example.references == ("a bus", "the bus")
    with pytest.raises(UserError, match="image 33471 is described twice in different ways"):
        captions(tmp_path, one, two | {"image": "other.jpg"})


def test_conversations_are_no_captions(tmp_path):
    with pytest.raises(UserError, match=r"not LLaVA's captions JSON .*has 2 turns\); .*use LlavaQuestions"):
        captions(tmp_path, *ROWS)
    with pytest.raises(UserError, match=r"record \[1\] .*: has 2 turns, so it is no caption"):
        captions(tmp_path, conversation("Describe it.", "a bus"), ROWS[0] | {"id": "2"})


@pytest.mark.parametrize("kind", [questions, captions])
@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (conversation(), "'conversations' has 0 messages; each question needs an answer"),
        (conversation("Q"), "'conversations' has 1 messages"),
        (conversation("Q", None), r"conversations\[1\]: 'value' is null, not a text"),
        (conversation("Q", " "), "'value' is an empty text"),
        (conversation("Q", 7), r"'value' is a number \(7\)"),
        (conversation("Q", "A", conversations=None), "'conversations' is null, not a list"),
        (conversation("Q", "A", image=["a.jpg", "b.jpg"]), "'image' is a list, not the name of a file"),
        (conversation("Q", "A", id=None), "'id' is null"),
        (
            conversation(conversations=[{"from": "gpt", "value": "A"}, {"from": "human", "value": "Q"}]),
            r"conversations\[0\]: 'from' is 'gpt', not 'human'; questions and answers alternate",
        ),
        (
            conversation(conversations=[{"from": "human", "value": "Q"}, {"value": "A"}]),
            r"conversations\[1\]: has no 'from'",
        ),
    ],
    ids=[
        "none",
        "odd",
        "null",
        "empty",
        "number",
        "no list",
        "two images",
        "no id",
        "wrong way round",
        "no role",
    ],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, kind, record, problem):
    with pytest.raises(UserError, match=problem):
        kind(tmp_path, conversation("Describe it.", "a bus", id="1", image="1.jpg"), record)


def test_a_question_without_text_is_refused(tmp_path):
    with pytest.raises(UserError, match="'value' has no text beside <image>"):
        questions(tmp_path, ROWS[1], conversation("<image>\n", "A bus."))


def test_only_its_own_layout_is_recognised():
    assert recognised(LlavaQuestions) == {"LLaVA conversations", "LLaVA text first"}
    assert recognised(LlavaCaptions) == {"LLaVA captions"}


@pytest.mark.data
def test_the_real_file_is_read(data):
    folder = data / "cc_pairs"
    source = LlavaCaptions(str(folder / "blip_laion_cc_sbu_2k.json"), str(folder / "images"))
    assert len(source) == source.pairs == 2183 and source[0].references == ("the bunk room",)
    assert all(example.image.path.is_file() for example in source)
