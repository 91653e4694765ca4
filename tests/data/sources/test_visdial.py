"""VisDial's dialogues and dense annotations."""

from __future__ import annotations

import copy

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.visdial import VisDial
from frozenvl.prompt import ImageFile
from frozenvl.util.errors import UserError

DATA = {
    "version": "1.0",
    "split": "val2018",
    "data": {
        "questions": ["is it sunny", "how many are there", "why?"],
        "answers": ["no", "2", "yes, it is", "red"],
        "dialogs": [
            {
                "image_id": 254080,
                "caption": "a man  on a bike",
                "dialog": [
                    {"question": 1, "answer": 1, "answer_options": [0, 1, 3], "gt_index": 1},
                    {"question": 0, "answer": 2, "answer_options": [2, 3, 0], "gt_index": 0},
                ],
            },
            {
                "image_id": 7,
                "caption": "a dog",
                "dialog": [{"question": 2, "answer": 3, "answer_options": [3, 0, 1], "gt_index": 0}],
            },
        ],
    },
}
DENSE = [{"image_id": 254080, "round_id": 2, "gt_relevance": [0.6, 0.0, 1.0]}]


def changed(*path, value) -> dict:
    content = copy.deepcopy(DATA)
    place = content
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


def visdial(folder, content=DATA, dense=None, **more) -> VisDial:
    if dense is not None:
        more["dense"] = write(folder, "dense.json", dense)
    return VisDial(write(folder, "visdial.json", content), str(folder / "images"), **more)


def test_a_dialogue_is_one_example_with_its_candidates(tmp_path):
    source = visdial(tmp_path, dense=DENSE)
    first, second = source
    image = ImageFile(tmp_path / "images/VisualDialog_val2018_000000254080.jpg")
    assert (first.id, first.image, first.image_id, first.system) == ("254080", image, "visdial/254080", "")
    one, two = first.turns
    assert one.message == (image, "a man on a bike how many are there?") and one.reply == "2"
    assert (one.id, one.choices, one.correct, one.relevance) == ("254080/1", ("no", "2", "red"), 1, ())
    assert two.message == ("is it sunny?",) and two.reply == "yes, it is" and two.id == "254080/2"
    assert (two.choices, two.correct, two.relevance) == (("yes, it is", "red", "no"), 0, (0.6, 0.0, 1.0))
    assert second.turns[0].message[1] == "a dog why?" and second.targets == ("red",)
    assert source.image_ids() == ["visdial/254080", "visdial/7"] and source.pairs == 2


def test_the_caption_stands_where_it_is_asked_for(tmp_path):
    system = visdial(tmp_path, caption="system")[0]
    assert system.system == "a man on a bike" and system.turns[0].message[1] == "how many are there?"
    none = visdial(tmp_path, caption="none")[0]
    assert none.system == "" and none.turns[0].message[1] == "how many are there?"
    with pytest.raises(UserError, match="unknown caption 'first'; choose one of message, system, none"):
        visdial(tmp_path, caption="first")


def test_candidates_can_be_left_out(tmp_path):
    turn = visdial(tmp_path, candidates=False)[0].turns[0]
    assert (turn.choices, turn.correct, turn.relevance) == ((), -1, ())
    with pytest.raises(UserError, match="set candidates, or leave out dense"):
        visdial(tmp_path, dense=DENSE, candidates=False)


def test_photographs_are_found_in_the_folders_of_the_downloads(tmp_path):
    content = changed("split", value="train")
    for name in ("val2014/COCO_val2014_000000254080.jpg", "train2014/COCO_train2014_000000000007.jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True)
        path.touch()
    source = visdial(tmp_path, content)
    assert [example.image.path.is_file() for example in source] == [True, True]
    assert source.image_ids() == ["coco/254080", "coco/7"] == [example.image_id for example in source]


def test_a_missing_photograph_is_named_by_its_split(tmp_path):
    train = visdial(tmp_path, changed("split", value="train"))
    assert train[1].image.name == "COCO_train2014_000000000007.jpg"
    assert visdial(tmp_path)[1].image.name == "VisualDialog_val2018_000000000007.jpg"


def test_the_last_answer_of_a_test_dialogue_is_empty(tmp_path):
    content = changed("data", "dialogs", 0, "dialog", 1, value={"question": 0, "answer_options": [2, 3, 0]})
    source = visdial(tmp_path, content)
    assert [turn.reply for turn in source[0].turns] == ["2", ""]
    assert source[0].targets == () and source.targets_per_example == [0, 1]
    assert source[0].turns[1].choices and source[0].turns[1].correct == -1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (changed("data", "questions", value=None), "'data.questions' is null, not a list of texts"),
        (changed("data", value=[]), "'data' is a list"),
        (
            changed("data", "dialogs", 1, "dialog", value=[]),
            r"data\.dialogs\[1\] \(image_id 7\): 'dialog' is an empty",
        ),
        (
            changed("data", "dialogs", 1, "dialog", 0, "question", value=3),
            r"dialog\[0\]: 'question' is a number \(3\), not an index of the file's 3 questions",
        ),
        (
            changed("data", "dialogs", 1, "dialog", 0, "answer_options", value=[3, 9]),
            "'answer_options' are not indices of the file's 4 answers",
        ),
        (
            changed("data", "dialogs", 1, "dialog", 0, "gt_index", value=2),
            "'gt_index' is 2, which is not the answer among its options",
        ),
        (changed("data", "dialogs", 0, "dialog", 0, "answer", value=None), "a round before the last has no"),
        (changed("data", "dialogs", 1, "image_id", value=254080), "conversation 254080 stands twice"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path, content, problem):
    with pytest.raises(UserError, match=problem):
        visdial(tmp_path, content)


@pytest.mark.parametrize(
    ("dense", "problem"),
    [
        ([DENSE[0] | {"round_id": 3}], "round 3 of image 254080 of .*dense.json is not in this file"),
        ([DENSE[0] | {"gt_relevance": [1.0]}], "round 2 has 3 candidates, but 1 relevances"),
        ([DENSE[0], DENSE[0]], "round 2 of image 254080 stands twice"),
        ([DENSE[0] | {"round_id": "2"}], "'round_id' is a text"),
        ([{"image_id": 7, "round_id": 1}], "'gt_relevance' is null, not a list of numbers"),
    ],
)
def test_dense_annotations_that_do_not_fit_are_refused(tmp_path, dense, problem):
    with pytest.raises(UserError, match=problem):
        visdial(tmp_path, dense=dense)


def test_the_dense_annotations_of_the_training_set_have_another_field(tmp_path):
    dense = [{"image_id": 7, "round_id": 1, "relevance": [1, 0, 0]}]
    assert visdial(tmp_path, dense=dense)[1].turns[0].relevance == (1.0, 0.0, 0.0)


def test_only_its_own_layout_is_recognised():
    assert recognised(VisDial) == {"VisDial"}
