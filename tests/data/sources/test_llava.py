"""LLaVA's conversations, as they are, as questions and as captions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.arrow import table_cache
from frozenvl.data.arrow.row_table import RowTable
from frozenvl.data.records import streamed
from frozenvl.data.sources.llava import LlavaCaptions, LlavaConversations, LlavaQuestions
from frozenvl.prompt import NO_IMAGE, ImageFile, Turn
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


def captions(folder, *rows, **more) -> LlavaCaptions:
    return LlavaCaptions(write(folder, "llava.json", list(rows)), str(folder / "images"), **more)


def conversations(folder, *rows, **more) -> LlavaConversations:
    return LlavaConversations(write(folder, "llava.json", list(rows)), str(folder / "images"), **more)


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
    with pytest.raises(
        UserError, match=r"not LLaVA's captions JSON .*has 2 turns\); .*use LlavaConversations"
    ):
        captions(tmp_path, *ROWS)
    with pytest.raises(UserError, match=r"record \[1\] .*: has 2 turns, so it is no caption"):
        captions(tmp_path, conversation("Describe it.", "a bus"), ROWS[0] | {"id": "2"})


def test_conversations_are_read_with_all_turns(tmp_path):
    source = conversations(tmp_path, *ROWS[:2], ROWS[4])
    first, second, third = source
    image = ImageFile(tmp_path / "images/coco/train2017/000000033471.jpg")
    assert first.turns == (
        Turn((image, "\nWhat is\nshown?"), "A bus.", "33471/0"),
        Turn(("What colour?",), "White\nand red.", "33471/1"),
    )
    assert (first.id, first.image, first.image_id) == ("33471", image, "coco/33471")
    assert first.targets == ("White\nand red.",) and source.pairs == 3 and first.images == (image,)
    assert second.id == "33471#2" and second.turns[0].message == ("Why?\n", image)
    assert source.image_ids() == [example.image_id for example in source] and third.image.name == "n5.jpg"
    assert source.notes == {REPEATED: 1}


def test_text_only_and_several_images(tmp_path):
    rows = [
        conversation("Hello?", "Hi.", id="1/x", image=None),
        conversation(
            "<image>A<image>", "1", "and <image>?", "2", id="2", image=["gqa/images/1.jpg", "b.jpg", "c.jpg"]
        ),
        {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Me."}]},
    ]
    source = conversations(tmp_path, *rows)
    text, several, unnamed = source
    assert text.image is NO_IMAGE and text.images == () and text.image_id == "text 1:x"
    a, b, c = several.images
    assert several.turns[0].message == (a, "A", b) and several.turns[1].message == ("and ", c, "?")
    assert [image.name for image in several.images] == ["1.jpg", "b.jpg", "c.jpg"] and several.image == a
    assert unnamed.id == "2#2" and unnamed.turns[0].reply == "Me."
    assert source.image_ids() == ["text 1:x", "vg/1", "text 2#2"]
    ids = source.all_image_ids()
    assert [len(each) for each in ids] == [0, 3, 0] and ids[1][0] == "vg/1"


def test_text_alone_needs_no_image_folder(tmp_path):
    text = write(tmp_path, "text.json", [conversation("Hello?", "Hi.", image=None)])
    assert LlavaConversations(text)[0].turns[0].message == ("Hello?",)
    shown = write(tmp_path, "shown.json", ROWS[:1])
    with pytest.raises(UserError, match="its conversations show images; give the folder"):
        LlavaConversations(shown)


def test_a_system_message_stands_in_front(tmp_path):
    row = conversation("<image>\nWhat?", "A bus.")
    row["conversations"].insert(0, {"from": "system", "value": "Be\nbrief."})
    (example,) = conversations(tmp_path, row)
    assert example.system == "Be\nbrief." and len(example.turns) == 1


@pytest.mark.parametrize(
    ("row", "shown", "named"),
    [
        (conversation("What?", "A"), "0 images", "1 image"),
        (conversation("<image><image>What?", "A"), "2 images", "1 image"),
        (conversation("<image>What?", "A", image=None), "1 image", "0 images"),
        (conversation("<image>What?", "A", image=["a.jpg", "b.jpg"]), "1 image", "2 images"),
    ],
)
def test_as_many_marks_as_images(tmp_path, row, shown, named):
    with pytest.raises(
        UserError, match=rf"record \[1\].*: shows {shown}, but names {named}; correct or remove"
    ):
        conversations(tmp_path, ROWS[0], row | {"id": "2"})
    source = conversations(tmp_path, ROWS[0], row | {"id": "2"}, row | {"id": "3"}, unusable="leave out")
    ((note, count),) = source.notes.items()
    assert len(source) == 1 and count == 2
    assert note.startswith(
        "records left out because they cannot be used (the first: record [1] (id 2): shows"
    )


def test_parts_divide_a_file_by_photograph(tmp_path):
    rows = [conversation("<image>Q", "A", id=str(n), image=f"{n // 2}.jpg") for n in range(40)]
    rows += [conversation("Q", "A", id=f"text{n}", image=None) for n in range(20)]
    whole = {example.id for example in conversations(tmp_path, *rows)}
    train, ask = (conversations(tmp_path, *rows, part=part, ask_share=0.3) for part in ("train", "ask"))
    assert {e.id for e in train} | {e.id for e in ask} == whole and len(train) + len(ask) == 60
    assert not {*train.image_ids()} & {*ask.image_ids()} and 5 < len(ask) < 30
    assert any(e.id.startswith("text") for e in ask) and any(e.id.startswith("text") for e in train)
    captions_ = [
        LlavaCaptions(write(tmp_path, "c.json", rows[:40:2]), str(tmp_path / "images"), part, 0.3)
        for part in ("train", "ask")
    ]
    shown = {example.image_id for example in ask if example.images}
    assert {example.image_id for example in captions_[1]} == shown and len(captions_[0]) + len(
        captions_[1]
    ) == 20
    for kind in (conversations, captions):
        with pytest.raises(UserError, match="unknown part 'test'; choose one of all, train, ask"):
            kind(tmp_path, *rows[:2], part="test")


def test_all_problems_of_a_file_are_named_at_once(tmp_path):
    human, model = {"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}
    rows = [
        conversation(image=None, conversations=messages)
        for messages in (
            [human, human, model],
            [model, human],
            [human, model, human],
            [],
            [human, model | {"from": "robot"}],
            [human, {"from": "system", "value": "S"}, model],
            [human, model | {"value": ""}],
            "hello",
        )
    ]
    with pytest.raises(UserError, match="8 problems") as error:
        conversations(tmp_path, *rows)
    text = str(error.value)
    for problem in (
        "[0].conversations[1]: is a second question in a row; questions and answers alternate",
        "[1].conversations[0]: is an answer, but a conversation begins with a question",
        "[2] (id 33471): 'conversations' ends with a question; each needs an answer",
        "[3] (id 33471): 'conversations' has no messages",
        "[4].conversations[1]: 'from' is 'robot'; known are human, user, gpt, assistant, system, developer",
        "[5].conversations[1]: is a system message behind another one; it has to be the first",
        "[6].conversations[1]: 'value' is an empty text",
        "[7] (id 33471): 'conversations' is a text ('hello'), not a list",
    ):
        assert problem in text, text
    assert "(or leave out such records with unusable: leave out)" in text.split("\n")[0]
    with pytest.raises(UserError, match=r"lists no conversations .8 records left out because they cannot"):
        conversations(tmp_path, *rows, unusable="leave out")
    with pytest.raises(UserError, match="unknown unusable 'skip'; choose one of refuse, leave out"):
        conversations(tmp_path, *rows, unusable="skip")


def test_a_large_file_is_read_from_a_table(tmp_path, feature_home, monkeypatch):
    rows = [
        *ROWS,
        conversation("<image>A<image>", "1", "\ud800<image>", "2", id="n", image=["1.jpg", "2.jpg", "1.jpg"]),
    ]
    usual = [*conversations(tmp_path, *rows, unusable="leave out")]
    monkeypatch.setattr(table_cache, "MIN_BYTES", 0)
    monkeypatch.setattr(streamed, "MIN_BYTES", 0)
    mapped = conversations(tmp_path, *rows, unusable="leave out")
    assert isinstance(mapped.rows, RowTable) and [*mapped] == usual
    assert usual[-1].turns[1].message[0] == "?" and len(usual[-1].images) == 2


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
    assert recognised(LlavaConversations) == {
        "LLaVA conversations",
        "LLaVA text first",
        "LLaVA captions, then conversations",
        "ShareGPT",
    }
    assert recognised(LlavaQuestions) == {"LLaVA questions and answers"}
    assert recognised(LlavaCaptions) == {"LLaVA captions"}


@pytest.mark.data
def test_the_real_file_is_read(data):
    folder = data / "cc_pairs"
    source = LlavaCaptions(str(folder / "blip_laion_cc_sbu_2k.json"), str(folder / "images"))
    assert len(source) == source.pairs == 2183 and source[0].references == ("the bunk room",)
    assert all(example.image.path.is_file() for example in source)
