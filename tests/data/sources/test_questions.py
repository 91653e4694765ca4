"""Sources of questions about images: what each layout says, the parts, and one line for whatever is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frozenvl.data.sources.aokvqa import AOKVQAQuestions
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.lxmert import LxmertQuestions
from frozenvl.data.sources.questions import Questions, majority
from frozenvl.data.sources.visual_genome import VisualGenomeQuestions
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.util.errors import UserError

ASKED = [
    {"question_id": 10, "image_id": 1, "question": "Is it  red?"},
    {"question_id": 11, "image_id": 1, "question": "How many?"},
    {"question_id": 20, "image_id": 2, "question": "What?"},
]
GIVEN = [
    {"question_id": 20, "image_id": 2, "answers": ["a", "b", "b", "a"], "multiple_choice_answer": "b"},
    {"question_id": 10, "answers": ["no", "yes", "yes"], "answer_type": "yes/no", "question_type": "is it"},
    {"question_id": 11, "answers": ["", "", "2"], "multiple_choice_answer": "", "question_type": ""},
]


def annotations(given=GIVEN) -> list[dict]:
    return [row | {"answers": [{"answer": text, "answer_id": 1} for text in row["answers"]]} for row in given]


def write(folder: Path, name: str, content) -> str:
    (folder / "images").mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return str(folder / name)


def vqa(folder: Path, asked=ASKED, given=None, **more) -> VQAQuestions:
    questions = write(folder, "questions.json", {"questions": asked})
    given = write(folder, "annotations.json", {"annotations": annotations() if given is None else given})
    return VQAQuestions(questions, given, str(folder / "images"), **more)


# VQA's official layout


def test_vqa_in_the_order_of_the_questions(tmp_path):
    source = vqa(tmp_path)
    assert [(e.id, e.question, e.references, e.answer, e.kind) for e in source] == [
        (
            "10",
            "Is it red?",
            ("no", "yes", "yes"),
            "yes",
            {"answer_type": "yes/no", "question_type": "is it"},
        ),
        ("11", "How many?", ("", "", "2"), "2", {}),
        ("20", "What?", ("a", "b", "b", "a"), "b", {}),
    ]
    assert source[0].image.path == tmp_path / "images" / "COCO_train2014_000000000001.jpg"
    assert source.image_ids() == [e.image_id for e in source] == ["coco/1", "coco/1", "coco/2"]
    assert source.pairs == 3


def test_images_of_another_name_are_not_cocos(tmp_path):
    source = vqa(tmp_path, image_name="image{image_id}.jpg")
    assert source[2].image.name == "image2.jpg" and source[2].image_id == f"{tmp_path.name}/images/image2.jpg"


@pytest.mark.parametrize(
    ("answers", "preferred", "best"),
    [
        (["a", "b", "b"], "a", "b"),
        (["a", "b", "c"], "b", "b"),
        (["a", "b", "b", "a"], "c", "a"),
        (["", "", "x"], "", "x"),
        ([""], "", ""),
    ],
)
def test_the_majority_and_who_wins_a_tie(answers, preferred, best):
    assert majority(answers, preferred) == best


def test_a_test_set_has_no_answers_and_is_not_trained_on(tmp_path):
    questions = write(tmp_path, "questions.json", {"questions": ASKED})
    source = VQAQuestions(questions, None, str(tmp_path / "images"))
    assert (len(source), source.pairs) == (3, 0)
    assert all(example.targets == () for example in source)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"asked": ASKED[:2]},
            "annotations.json: 1 annotations are of questions that are not in .*such as 20",
        ),
        (
            {"given": annotations(GIVEN[:2])},
            "questions.json: question 11 has no annotation in .*annotations.json",
        ),
        ({"asked": [*ASKED, ASKED[0]]}, "questions.json: question 10 stands twice"),
        ({"given": annotations([*GIVEN, GIVEN[0]])}, "annotations.json: question 20 is answered twice"),
        (
            {"given": annotations([GIVEN[0] | {"answers": ["", " "]}])},
            "annotations.json: question 20 has no answer",
        ),
        ({"asked": [ASKED[0] | {"question": " "}], "given": annotations(GIVEN[1:2])}, "question 10 is empty"),
        (
            {"asked": [{"question_id": 10}], "given": annotations(GIVEN[1:2])},
            "VQA questions JSON .missing 'image_id'",
        ),
        ({"asked": 3}, "questions.json: not VQA questions JSON"),
        ({"asked": [], "given": []}, "questions.json: no questions: lists none"),
        ({"given": [{"question_id": 10}]}, "annotations.json: not VQA annotations JSON .missing 'answers'"),
        ({"given": "abc"}, "annotations.json: not VQA annotations JSON"),
        ({"image_name": "{image}.jpg"}, "image_name '{image}.jpg' cannot be filled"),
        ({"image_name": "{image_id.x}.jpg"}, "image_name '{image_id.x}.jpg' cannot be filled"),
        ({"image_name": "a.jpg"}, "image_name 'a.jpg' names one image for all; it needs {image_id}"),
        ({"part": "test"}, "unknown part 'test'; choose one of all, train, ask"),
        ({"part": "ask", "ask_share": 1.0}, "ask_share must lie between 0 and 1, not 1.0"),
        (
            {"part": "ask", "ask_share": 1e-9},
            "no questions: none of its 3 is in part 'ask'; change ask_share",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, more, message):
    with pytest.raises(UserError, match=message) as error:
        vqa(tmp_path, **more)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", ["questions.json", "annotations.json", "images"])
def test_a_missing_file_or_folder_is_named(tmp_path, missing):
    vqa(tmp_path)
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{missing}: no such .*--data.root"):
        VQAQuestions(*(str(tmp_path / name) for name in ("questions.json", "annotations.json", "images")))


def test_what_the_sources_share_is_no_source(tmp_path):
    with pytest.raises(TypeError, match="abstract"):
        Questions(tmp_path, "", str(tmp_path), [], "all", 0.5)  # type: ignore[abstract]


# Parts


def many(folder: Path, **more) -> VQAQuestions:
    asked = [{"question_id": n, "image_id": n // 3, "question": "What?"} for n in range(3000)]
    questions = write(folder, "questions.json", {"questions": asked})
    return VQAQuestions(questions, None, str(folder / "images"), **more)


def test_parts_share_no_photograph_and_leave_none_out(tmp_path):
    for share in (0.5, 0.2):
        train, ask = (many(tmp_path, part=part, ask_share=share) for part in ("train", "ask"))
        assert not set(train.image_ids()) & set(ask.image_ids())
        assert len(train) + len(ask) == 3000 and abs(len(ask) - 3000 * share) < 150
    assert set(ask.image_ids()) < set(many(tmp_path, part="ask").image_ids())


def test_a_photograph_is_in_the_same_part_in_every_source(tmp_path):
    ask = set(many(tmp_path, part="ask").image_ids())
    rows = [{"question_id": n, "image_id": n, "question": "?", "direct_answers": ["a"]} for n in range(1000)]
    other = AOKVQAQuestions(write(tmp_path, "a.json", rows), str(tmp_path / "images"), part="ask")
    assert set(other.image_ids()) == ask


def test_the_parts_never_change(tmp_path):
    """Published scores depend on them: this list was written down when they were first made."""
    ask = many(tmp_path, part="ask")
    assert list(dict.fromkeys(ask.image_ids()))[:5] == ["coco/0", "coco/1", "coco/3", "coco/4", "coco/9"]


def test_parts_do_not_depend_on_where_the_images_lie(tmp_path):
    parts = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        parts.append([e.id for e in many(tmp_path / place, part="ask", image_name="image{image_id}.jpg")])
    assert parts[0] == parts[1]


# LXMERT's layout


def lxmert(folder: Path, *labels) -> LxmertQuestions:
    rows = [
        {"sent": "What?", "question_id": n, "img_id": f"COCO_train2014_{n:012d}", "label": label}
        for n, label in enumerate(labels)
    ]
    return LxmertQuestions(write(folder, "lxmert.json", rows), str(folder / "images"))


def test_lxmerts_soft_scores(tmp_path):
    source = lxmert(tmp_path, {"row": 0.3, "boat": 1, "ship": 1}, {"x": 0.9})
    assert (source[0].answer, source[0].references) == ("boat", ("boat", "ship", "row"))
    assert source[0].scores == {"row": 0.3, "boat": 1.0, "ship": 1.0}
    assert (source[1].id, source[1].image.name) == ("1", "COCO_train2014_000000000001.jpg")
    assert source.image_ids() == ["coco/0", "coco/1"] and source.pairs == 2


def test_a_question_without_a_scored_answer_is_not_trained_on(tmp_path):
    source = lxmert(tmp_path, {"a": 1}, {}, {"b": 1})
    assert (len(source), source.pairs, source.pair(1)) == (3, 2, (2, 0))
    assert source[1].targets == ()


@pytest.mark.parametrize(
    "rows", [{"a": 1}, ["x"], 3, [{"sent": "x"}], [{"question_id": 1, "label": {"a": "b"}}]]
)
def test_what_is_not_lxmerts(tmp_path, rows):
    with pytest.raises(UserError, match="not LXMERT's JSON"):
        LxmertQuestions(write(tmp_path, "lxmert.json", rows), str(tmp_path / "images"))


# A-OKVQA


def test_aokvqa(tmp_path):
    rows = [
        {
            "question_id": "x",
            "image_id": 5,
            "question": "Q",
            "direct_answers": ["a", "b", "b"],
            "difficult_direct_answer": False,
        },
        {"question_id": "y", "image_id": 6, "question": "Q"},
    ]
    source = AOKVQAQuestions(write(tmp_path, "a.json", rows), str(tmp_path / "images"))
    assert (source[0].answer, source[0].kind) == ("b", {"difficult_direct_answer": "False"})
    assert source[0].image.name == "000000000005.jpg" and source[0].image_id == "coco/5"
    assert source[1].references == () and source.pairs == 1
    with pytest.raises(UserError, match="not A-OKVQA's JSON"):
        AOKVQAQuestions(write(tmp_path, "a.json", {"questions": []}), str(tmp_path / "images"))


# Visual Genome


def visual_genome(folder: Path, image_data=None, **more) -> VisualGenomeQuestions:
    qas = [{"qa_id": n, "image_id": n % 2 + 1, "question": "What?", "answer": f"A {n}."} for n in range(3)]
    rows = [{"id": image, "qas": [row for row in qas if row["image_id"] == image]} for image in (1, 2)]
    path = write(folder, "question_answers.json", rows)
    return VisualGenomeQuestions(path, str(folder / "images"), image_data, **more)


def test_visual_genome(tmp_path):
    image_data = [{"image_id": 1, "coco_id": None}, {"image_id": 2, "coco_id": 77}]
    source = visual_genome(tmp_path, write(tmp_path, "image_data.json", image_data))
    assert [(e.id, e.image.name, e.answer, e.references) for e in source] == [
        ("0", "1.jpg", "A 0.", ("A 0.",)),
        ("2", "1.jpg", "A 2.", ("A 2.",)),
        ("1", "2.jpg", "A 1.", ("A 1.",)),
    ]
    assert source.image_ids() == ["vg/1", "vg/1", "coco/77"]
    assert visual_genome(tmp_path).image_ids() == ["vg/1", "vg/1", "vg/2"]


def test_visual_genomes_images_may_lie_in_two_folders(tmp_path):
    for place in ("VG_100K/1.jpg", "VG_100K_2/2.jpg"):
        file = tmp_path / "images" / place
        file.parent.mkdir(parents=True)
        file.touch()
    paths = {e.image.path.relative_to(tmp_path / "images").as_posix() for e in visual_genome(tmp_path)}
    assert paths == {"VG_100K/1.jpg", "VG_100K_2/2.jpg"}


def test_other_files_are_not_visual_genomes(tmp_path):
    with pytest.raises(UserError, match=r"not Visual Genome's image_data.json .missing 'coco_id'"):
        visual_genome(tmp_path, write(tmp_path, "image_data.json", [{"image_id": 1}]))
    with pytest.raises(UserError, match=r"not Visual Genome's question_answers.json"):
        VisualGenomeQuestions(write(tmp_path, "q.json", [{"id": 1}]), str(tmp_path / "images"))


# Real files


@pytest.mark.data
def test_real_questions(data):
    folder = data / "vqa_v2"
    (asked,), (given,) = folder.glob("*questions.json"), folder.glob("*annotations.json")
    source = VQAQuestions(str(asked), str(given), str(folder / "images"))
    chosen = {str(row["question_id"]): row for row in json.loads(given.read_text())["annotations"]}
    assert len(source) == 261 and len(set(source.image_ids())) == 183
    for example in source:
        assert (
            example.answer == chosen[example.id]["multiple_choice_answer"] and len(example.references) == 10
        )
        assert example.image.path.is_file()

    okvqa = LxmertQuestions(str(data / "okvqa/okvqa_subset_lxmert_format.json"), str(data / "okvqa/images"))
    assert len(okvqa) == okvqa.pairs == 109 and all(example.image.path.is_file() for example in okvqa)
    captions = CocoCaptions(
        str(data / "coco_captions/annotations/captions_train2017_subset.json"),
        str(data / "coco_captions/images"),
    )
    photographs = [set(s.image_ids()) for s in (source, okvqa, captions)]
    overlaps = [len(a & b) for a, b in zip(photographs, photographs[1:] + photographs[:1], strict=True)]
    assert overlaps == [25, 5, 16]

    aokvqa = AOKVQAQuestions(
        str(data / "aokvqa/aokvqa_v1p0_val_subset.json"), str(data / "coco_captions/images")
    )
    assert len(aokvqa) == 39 and all(e.image.path.is_file() and len(e.references) == 10 for e in aokvqa)


@pytest.mark.data
def test_real_daquar(data):
    folder = data / "daquar"
    daquar = VQAQuestions(
        str(folder / "daquar_questions.json"),
        str(folder / "daquar_annotations.json"),
        str(folder / "images"),
        image_name="image{image_id}.jpg",
    )
    assert len(daquar) == daquar.pairs == 8677 and daquar[0].answer == "garbage_bin"
    assert all(example.image.path.is_file() for example in daquar)
    assert not [key for key in daquar.image_ids() if key.startswith("coco/")]
