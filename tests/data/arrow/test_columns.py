"""Columns are found by names and types; what is not clear is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from frozenvl.data.arrow.columns import Columns, choose, image_kind
from frozenvl.util.errors import UserError

TEXT, TEXTS, WHOLE = pa.string(), pa.list_(pa.string()), pa.int64()
IMAGE = pa.struct({"bytes": pa.binary(), "path": TEXT})
ANSWERS = pa.list_(pa.struct({"answer": TEXT, "answer_confidence": TEXT, "answer_id": WHOLE}))


def chosen(given=None, **columns) -> dict:
    found: Columns = choose("data", pa.schema(columns), given)
    names = {
        name: getattr(found, name)
        for name in ("image", "caption", "question", "answers", "answer", "choices", "correct")
    }
    return {name: column for name, column in names.items() if column} | (
        {"ids": found.ids} if found.ids else {}
    )


PUBLIC = {
    "text beside an image": ({"image": IMAGE, "text": TEXT}, {"image": "image", "caption": "text"}),
    "flickr30k": (
        {"image": IMAGE, "caption": TEXTS, "sentids": TEXTS, "split": TEXT, "img_id": TEXT, "filename": TEXT},
        {"image": "image", "caption": "caption", "ids": ("img_id",)},
    ),
    "coco": (
        {"image": IMAGE, "filepath": TEXT, "filename": TEXT, "imgid": WHOLE, "cocoid": WHOLE,
         "sentences": pa.struct({"tokens": TEXTS, "raw": TEXT})},
        {"image": "image", "caption": "sentences", "ids": ("imgid", "cocoid")},
    ),
    "nocaps": (
        {"image": IMAGE, "image_file_name": TEXT, "image_id": WHOLE, "annotations_captions": TEXTS,
         "image_domain": TEXT},
        {"image": "image", "caption": "annotations_captions", "ids": ("image_id",)},
    ),
    "img2dataset": (
        {"url": TEXT, "key": TEXT, "status": TEXT, "caption": TEXT, "jpg": pa.binary(), "txt": TEXT},
        {"image": "jpg", "caption": "caption", "ids": ("key",)},
    ),
    "vqav2": (
        {"question_type": TEXT, "multiple_choice_answer": TEXT, "answers": ANSWERS, "image_id": WHOLE,
         "answer_type": TEXT, "question_id": WHOLE, "question": TEXT, "image": IMAGE},
        {"image": "image", "question": "question", "answers": "answers", "answer": "multiple_choice_answer",
         "ids": ("question_id", "image_id")},
    ),
    "textvqa": (
        {"image_id": TEXT, "question_id": WHOLE, "question": TEXT, "question_tokens": TEXTS, "image": IMAGE,
         "answers": TEXTS},
        {"image": "image", "question": "question", "answers": "answers", "ids": ("question_id", "image_id")},
    ),
    "vqa-rad": (
        {"image": IMAGE, "question": TEXT, "answer": TEXT},
        {"image": "image", "question": "question", "answers": "answer"},
    ),
    "a-okvqa": (
        {"image": IMAGE, "question_id": TEXT, "question": TEXT, "choices": TEXTS, "correct_choice_idx": pa.int8(),
         "direct_answers": TEXTS},
        {"image": "image", "question": "question", "answers": "direct_answers", "choices": "choices",
         "correct": "correct_choice_idx", "ids": ("question_id",)},
    ),
    "scienceqa": (
        {"image": IMAGE, "question": TEXT, "choices": TEXTS, "answer": pa.int8(), "hint": TEXT},
        {"image": "image", "question": "question", "choices": "choices", "correct": "answer"},
    ),
    "capital letters": ({"JPG": pa.binary(), "TEXT": TEXT}, {"image": "JPG", "caption": "TEXT"}),
    "paths": ({"image_path": TEXT, "caption": TEXT}, {"image": "image_path", "caption": "caption"}),
    "test set": ({"image": IMAGE, "question": TEXT}, {"image": "image", "question": "question"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_columns_of_public_data_sets(name):
    columns, expected = PUBLIC[name]
    assert chosen(**columns) == expected


def test_named_columns_are_used():
    two = {"image": IMAGE, "mask": IMAGE, "caption": TEXT, "text": TEXTS, "n": WHOLE, "number": WHOLE}
    assert chosen({"caption": "text", "image": "mask", "id": "n"}, **two) == {
        "image": "mask",
        "caption": "text",
        "ids": ("n",),
    }
    both = {"image": IMAGE, "question": TEXT, "answer": TEXTS}
    assert chosen({"caption": "answer"}, **both) == {"image": "image", "caption": "answer"}
    assert chosen({"image": "image", "question": "answer"}, image=IMAGE, answer=TEXT)["question"] == "answer"


def test_fields_of_objects():
    assert choose("data", pa.schema(PUBLIC["vqav2"][0])).fields["answers"] == "answer"
    assert choose("data", pa.schema(PUBLIC["coco"][0])).fields == {"sentences": "raw"}


REFUSED = {
    "two captions": (
        {"image": IMAGE, "caption": TEXT, "text": TEXTS},
        None,
        r"several columns may hold the caption: caption \(text\), text \(list of text\); choose with --columns",
    ),
    "caption and question": (
        {"image": IMAGE, "caption": TEXT, "question": TEXT},
        None,
        r"several columns may hold the question or the caption: question \(text\), caption \(text\)",
    ),
    "two images": (
        {"left": IMAGE, "right": IMAGE, "text": TEXT},
        None,
        r"several columns may hold the image: left \(image\), right \(image\)",
    ),
    "no image": ({"text": TEXT}, None, r"has no column of images; its columns are text \(text\)"),
    "addresses": ({"URL": TEXT, "TEXT": TEXT}, None, r"holds addresses, not images; download the images first"),
    "list of downloads": (
        {"url": TEXT, "caption": TEXT, "key": TEXT, "status": TEXT},
        None,
        r"lists a download of img2dataset, .* read these with Shards or ImageTextFiles",
    ),
    "list of images": ({"images": pa.list_(IMAGE), "text": TEXT}, None, r"images \(list of image\)"),
    "no text": ({"image": IMAGE, "label": WHOLE}, None, r"no column of captions or questions .*label \(int64\)"),
    "numbers": ({"image": IMAGE, "caption": WHOLE}, None, r"caption \(int64\) holds no texts"),
    "unknown": ({"image": IMAGE, "text": TEXT}, {"caption": "x"}, r"no column 'x'; its columns are image \(image\), t"),
    "wrong type": ({"image": IMAGE, "n": WHOLE}, {"caption": "n"}, r"column n \(int64\) holds no caption"),
    "unknown use": ({"image": IMAGE, "text": TEXT}, {"captions": "text"}, r"columns: 'captions' is none of image, cap"),
    "both": (
        {"image": IMAGE, "caption": TEXT, "question": TEXT},
        {"caption": "caption", "question": "question"},
        r"columns: question belongs to questions",
    ),
    "whole answers": (
        {"image": IMAGE, "question": TEXT, "answer": WHOLE},
        None,
        r"answers are answer \(int64\), not texts",
    ),
    "which choice": (
        {"image": IMAGE, "question": TEXT, "choices": TEXTS, "answers": TEXTS},
        None,
        r"which of the choices is correct",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_clear_is_refused(name):
    columns, given, message = REFUSED[name]
    with pytest.raises(UserError, match=message):
        choose("data", pa.schema(columns), given)


def test_kinds_of_image_columns():
    assert [image_kind(kind) for kind in (IMAGE, pa.binary(), TEXT)] == ["struct", "bytes", "path"]
