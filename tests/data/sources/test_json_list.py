"""Captions in JSON lists, as BLIP, AI Challenger and others publish them."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from published_layouts import CONTENTS, recognised

from frozenvl.data.sources.json_list import JsonCaptions
from frozenvl.evaluation.layouts import read_captions, read_references
from frozenvl.util.errors import UserError

COCO_FILE = "val2014/COCO_val2014_000000000042.jpg"


def read(folder, content, name="list.json", **options) -> JsonCaptions:
    text = (
        "".join(json.dumps(row) + "\n" for row in content)
        if options.pop("lines", False)
        else json.dumps(content)
    )
    (folder / name).write_text(text)
    (folder / "images").mkdir(exist_ok=True)
    return JsonCaptions(str(folder / name), str(folder / "images"), **options)


def facts(source: JsonCaptions) -> list[tuple]:
    return [(e.id, e.image.path.relative_to(source.folder).as_posix(), e.references) for e in source]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            [
                {"caption": "a dog", "image": COCO_FILE, "image_id": "coco_42"},
                {"caption": "a cat", "image": "val2014/COCO_val2014_000000000007.jpg", "image_id": "coco_7"},
                {"caption": "the dog", "image": COCO_FILE, "image_id": "coco_42"},
            ],
            [
                ("42", COCO_FILE, ("a dog", "the dog")),
                ("7", "val2014/COCO_val2014_000000000007.jpg", ("a cat",)),
            ],
        ),
        ([{"image": COCO_FILE, "caption": ["a dog", "the dog"]}], [("42", COCO_FILE, ("a dog", "the dog"))]),
        ([{"image": "val/00ab.jpg", "img_id": 0}], [("0", "val/00ab.jpg", ())]),
        (CONTENTS["AI Challenger"], [("8f00.jpg", "8f00.jpg", ("一只狗", "狗"))]),
        (
            CONTENTS["captions by file"],
            [("1.jpg", "1.jpg", ("a dog",)), ("2.jpg", "2.jpg", ("a cat", "the cat"))],
        ),
        (CONTENTS["Hugging Face metadata"], [("1.jpg", "1.jpg", ("a dog",))]),
    ],
    ids=["BLIP train", "BLIP val", "BLIP nocaps", "AIC", "by file", "metadata"],
)
def test_public_lists_are_read_with_default_options(tmp_path, content, expected):
    source = read(tmp_path, content)
    assert facts(source) == expected
    assert source.pairs == sum(len(captions) for _, _, captions in expected)


def test_json_lines_are_read_whatever_their_name(tmp_path):
    rows = [{"image": f"{n}.jpg", "caption": f"text {n}"} for n in (2, 1)]
    expected = [("2.jpg", "2.jpg", ("text 2",)), ("1.jpg", "1.jpg", ("text 1",))]
    assert facts(read(tmp_path, rows, "metadata.jsonl", lines=True)) == expected
    assert facts(read(tmp_path, rows, "lines.json", lines=True)) == expected


def test_photographs_of_coco_have_the_image_id_of_all_sources(tmp_path):
    source = read(tmp_path, [{"image": COCO_FILE, "caption": "a"}, {"image": "b.jpg", "caption": "b"}])
    assert source.image_ids() == [e.image_id for e in source] == ["coco/42", f"{tmp_path.name}/images/b.jpg"]


def test_fields_can_be_given(tmp_path):
    rows = [{"img": "a.jpg", "title": "a dog", "text": "EXIT"}]
    assert facts(read(tmp_path, rows, image_name="{img}", caption="title")) == [
        ("a.jpg", "a.jpg", ("a dog",))
    ]
    content = {"info": {}, "data": [{"image_id": 77, "caption": "a dog"}]}
    source = read(tmp_path, content, records="data", image_name="COCO_val2014_{image_id:012d}.jpg")
    assert facts(source) == [("77", "COCO_val2014_000000000077.jpg", ("a dog",))]
    answers = [{"image": "a.jpg", "question": "what?", "answer": "a dog"}]
    assert read(tmp_path, answers, caption="answer")[0].references == ("a dog",)


def test_records_without_a_caption_can_be_left_out_and_are_counted(tmp_path):
    rows = [
        {"image": f"{n}.jpg", "caption": text} for n, text in enumerate([None, "a dog", " ", [], ["a cat"]])
    ]
    rows += [{"image": "5.jpg"}, {"image": "1.jpg", "caption": ""}]
    source = read(tmp_path, rows, skip_uncaptioned=True)
    assert [e.references for e in source] == [("a dog",), ("a cat",)]
    assert dict(source.notes) == {"records without a caption left out": 5}
    with pytest.raises(UserError, match="5 problems"):
        read(tmp_path, rows)
    with pytest.raises(UserError, match=r"\[1\] .*'caption' is a number"):
        read(
            tmp_path,
            [{"image": "a.jpg", "caption": "x"}, {"image": "b.jpg", "caption": 0}],
            skip_uncaptioned=True,
        )


def test_labels_of_nocaps_are_kept(tmp_path):
    rows = [{"image": "a.jpg", "img_id": 0, "caption": ["x"], "domain": "near-domain"}]
    assert read(tmp_path, rows)[0].kind == {"domain": "near-domain"}


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            [{"image": "a.jpg", "file": "b.jpg", "caption": "x"}],
            {},
            r"records have image and file; choose with image_name, such as \{image\}",
        ),
        ([{"image": "a.jpg", "caption": "x", "text": "y"}], {}, "have caption and text; choose with caption"),
        (
            [{"img": "a.jpg", "caption": "x"}],
            {},
            "no image file in image, file_name, .*; image_name can give",
        ),
        ([{"image": "a.jpg", "title": "x"}], {}, "no captions in caption, captions, .*; caption can give"),
        ([{"image": "a.jpg", "title": ["x"]}], {}, "no captions in caption"),
        ([{"image": "a.jpg", "caption": "x"}], {"caption": "text"}, "no record has 'text'"),
        ([{"image": "a.jpg", "caption": "x"}], {"image_name": "{img}"}, "no record has 'img'"),
        ([{"url": "http://x/a.jpg", "caption": "x"}], {}, "holds addresses, not files"),
        ([{"image": "http://x/a.jpg", "caption": "x"}], {}, "holds addresses, not files"),
        (CONTENTS["M3IT"], {}, "its images are inside the file, as base64"),
        (CONTENTS["LLaVA conversations"], {}, "with 'conversations', texts may be no captions"),
        (CONTENTS["LLaVA questions"], {}, "with 'question_id', texts may be no captions"),
        (CONTENTS["BLIP questions"], {}, "with 'question', texts may be no captions"),
        (
            CONTENTS["COCO captions"],
            {},
            "object with 'images', 'annotations'; .*this is COCO captions JSON: use CocoCaptions",
        ),
        (CONTENTS["Karpathy"], {"records": "images"}, "use KarpathyCaptions"),
        ({"data": []}, {"records": "rows"}, "'rows' is missing, not a list"),
        ({}, {}, "it is an object with no keys"),
        ([], {}, "lists no images"),
        ("a dog", {}, r"it is a text \('a dog'\), not a list"),
        (["a dog"], {}, r"record \[0\] is a text \('a dog'\), not an object"),
    ],
    ids=lambda value: None if isinstance(value, str) else "x",
)
def test_other_files_are_refused_with_what_to_do(tmp_path, content, options, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, content, **options)
    assert str(error.value).startswith(str(tmp_path / "list.json"))


def test_scores_know_images_of_blips_lists_by_the_ids_of_its_gt_files_and_results(tmp_path):
    rows = [
        {"image": COCO_FILE, "caption": ["a dog", "the dog"]},
        {"image": "val2014/COCO_val2014_000000000007.jpg", "caption": ["a cat"]},
    ]
    truth = {
        "annotations": [
            {"image_id": number, "caption": text, "id": place}
            for place, (number, text) in enumerate([(42, "a dog"), (42, "the dog"), (7, "a cat")])
        ],
        "images": [{"id": 42}, {"id": 7}],
    }
    for name, content in [("val.json", rows), ("gt.json", truth)]:
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": 42, "caption": "a dog"}]))
    references = read_references(tmp_path / "val.json")
    assert (
        references.texts
        == read_references(tmp_path / "gt.json").texts
        == {"42": ["a dog", "the dog"], "7": ["a cat"]}
    )
    assert read_captions(tmp_path / "results.json", references.ids).texts == {"42": "a dog"}


def test_files_of_two_image_fields_can_be_scored(tmp_path):
    (tmp_path / "list.json").write_text(json.dumps([{"image": "a.jpg", "file": "b.jpg", "caption": "x"}]))
    (row,) = JsonCaptions.annotated(tmp_path / "list.json", Counter(), named=False)
    assert (row.id, row.captions) == ("a.jpg", ("x",))


def test_it_recognises_lists_of_images_with_captions_only():
    assert recognised(JsonCaptions) == {
        "BLIP training captions",
        "BLIP validation captions",
        "AI Challenger",
        "captions in lines",
        "Hugging Face metadata",
        "captions by file",
    }


def test_an_id_is_that_of_the_image_if_each_image_has_its_own(tmp_path):
    rows = [{"id": 6, "image": "1.jpg", "caption": "a"}, {"id": 1, "image": "6.jpg", "caption": "b"}]
    assert [example.id for example in read(tmp_path, rows)] == ["6", "1"]
    rows.append({"id": 7, "image": "1.jpg", "caption": "c"})
    assert [example.id for example in read(tmp_path, rows)] == ["1.jpg", "6.jpg"]


def test_a_file_that_stands_twice_in_an_object_is_refused(tmp_path):
    (tmp_path / "list.json").write_text('{"1.jpg": "a", "2.jpg": "c", "1.jpg": "b"}')
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match=r"'1.jpg' stands 2 times in one object"):
        JsonCaptions(str(tmp_path / "list.json"), str(tmp_path / "images"))


def test_a_split_that_is_not_read_is_noted(tmp_path):
    source = read(tmp_path, [{"image": f"{n}.jpg", "caption": "a", "split": "test"} for n in range(2)])
    assert source.notes == {"records, whose 'split' is not read": 2}
