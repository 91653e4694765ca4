"""Data sets of the library `datasets`: right examples from public layouts, and refusals."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import pickle
from pathlib import Path

import datasets
import numpy as np
import pytest
from parquet import images, write_parquet
from tars import picture

from frozenvl.data.check import check
from frozenvl.data.shards.record import as_record
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.huggingface import HuggingFaceData
from frozenvl.prompt import Example, ImageFile
from frozenvl.util.errors import UserError

pytestmark = pytest.mark.usefixtures("arrow_cache")


def digest(number: int) -> str:
    return hashlib.sha256(picture(number)).hexdigest()[:32]


def rows(source: HuggingFaceData) -> list[tuple]:
    examples = [source[index] for index in range(len(source))]
    return [(e.id, e.image_id, e.references, e.question, e.answer, e.kind, e.choices) for e in examples]


def test_captions(tmp_path):
    file = "COCO_val2014_{:012d}.jpg"
    captions = [["a  dog\n", "the dog"], ["a cat"]]
    path = write_parquet(tmp_path / "a.parquet", image=images(42, 7, name=file), caption=captions, id=[5, 6])
    source = HuggingFaceData(str(path))
    assert rows(source) == [
        ("5", "coco/42", ("a dog", "the dog"), "", "", {}, ()),
        ("6", "coco/7", ("a cat",), "", "", {}, ()),
    ]
    assert source.pairs == 3 and list(source.targets_per_example) == [2, 1] and source.pair(2) == (1, 0)
    assert source.image_ids() == ["coco/42", "coco/7"] and not source.notes
    image = source[1].image
    assert image.name == file.format(7) and image.digest == digest(7) and image.read().size == (8, 6)


def test_an_image_that_no_name_tells_is_known_by_its_content(tmp_path):
    path = write_parquet(
        tmp_path / "a.parquet", image=images(1, 2, 1, name="image.jpg"), text=["a", "b", "c"]
    )
    source = HuggingFaceData(str(path))
    assert [example.image_id for example in source] == [f"image/{digest(n)}" for n in (1, 2, 1)]
    assert [example.id for example in source] == ["0", "1", "2"]
    assert source.image_ids() is None and source.targets_per_example == 1
    assert len({example.image.key for example in source}) == 3


def test_ids_of_photographs(tmp_path):
    photo = tmp_path / "flickr" / "data"
    path = write_parquet(
        photo / "a.parquet", image=images(1, 2, name="x.jpg"), caption=["a", "b"], img_id=[17, 18]
    )
    source = HuggingFaceData(str(path))
    assert source.image_ids() == [e.image_id for e in source] == ["flickr/data/17", "flickr/data/18"]
    path = write_parquet(
        tmp_path / "b.parquet", image=images(1, 2, name="x.jpg"), caption=["a", "b"], cocoid=[9, 9]
    )
    assert HuggingFaceData(str(path)).image_ids() == ["coco/9", "coco/9"]
    names = ["COCO_train2014_000000000123.jpg", None]
    path = write_parquet(tmp_path / "c.parquet", image=images(1, 2), caption=["a", "b"], file_name=names)
    source = HuggingFaceData(str(path))
    assert source.image_ids() == [e.image_id for e in source] == ["coco/123", f"image/{digest(2)}"]


def test_vqa_v2_as_on_the_hub(tmp_path):
    answers = [["no", "yes", "yes"], ["two", "", "2"]]
    path = write_parquet(
        tmp_path / "validation-00000-of-00001.parquet",
        question_type=["is", None],
        multiple_choice_answer=["yes", "2"],
        answers=[
            [{"answer": a, "answer_confidence": "yes", "answer_id": n} for n, a in enumerate(row, 1)]
            for row in answers
        ],
        image_id=[42, 42],
        answer_type=["yes/no", "number"],
        question_id=[42000, 42001],
        question=["Is it?", "How  many?"],
        image=images(42, 42, name="COCO_val2014_{:012d}.jpg"),
    )
    source = HuggingFaceData(str(path))
    kind = {"answer_type": "yes/no", "question_type": "is"}
    assert rows(source) == [
        ("42000", "coco/42", ("no", "yes", "yes"), "Is it?", "yes", kind, ()),
        ("42001", "coco/42", ("two", "", "2"), "How many?", "2", {"answer_type": "number"}, ()),
    ]
    assert source.targets_per_example == 1 and source[1].targets == ("2",)


def test_choices_begin_with_the_correct_one(tmp_path):
    columns = {
        "image": images(1, None, 2),
        "question": ["q", "no image", "r"],
        "choices": [["a", "b"], ["c"], ["d", "e", "f"]],
    }
    source = HuggingFaceData(str(write_parquet(tmp_path / "a.parquet", **columns, answer=[1, 0, 2])))
    assert [row[2:5] + row[6:] for row in rows(source)] == [
        (("b",), "q", "b", ("b", "a")),
        (("f",), "r", "f", ("f", "d", "e")),
    ]
    assert source.notes == {"rows without an image left out": 1} and [e.id for e in source] == ["0", "2"]
    source = HuggingFaceData(str(write_parquet(tmp_path / "b.parquet", **columns, answer=["b", "c", "e"])))
    assert [row[6] for row in rows(source)] == [("b", "a"), ("e", "d", "f")]
    source = HuggingFaceData(str(write_parquet(tmp_path / "c.parquet", **columns, answer=[-1, None, None])))
    assert [(row[4], row[6]) for row in rows(source)] == [("", ()), ("", ())] and source.pairs == 0
    direct = [["x", "y", "y"], ["c"], ["z"]]
    path = write_parquet(
        tmp_path / "d.parquet", **columns, direct_answers=direct, correct_choice_idx=[0, 0, 1]
    )
    assert [row[2:5] + row[6:] for row in rows(HuggingFaceData(str(path)))] == [
        (("x", "y", "y"), "q", "y", ("a", "b")),
        (("z",), "r", "z", ("e", "d", "f")),
    ]


def test_img2dataset(tmp_path):
    path = write_parquet(
        tmp_path / "out" / "00000.parquet",
        url=["http://x/0.jpg", "http://x/1.jpg", "http://x/2.jpg"],
        key=["000000000", "000000001", "000000002"],
        status=["success", "failed_to_download", "success"],
        caption=["a dog", "gone", "a cat"],
        jpg=[picture(0), None, picture(2)],
        txt=["a dog", None, "a cat"],
    )
    (path.parent / "00000_stats.json").write_text("{}")
    source = HuggingFaceData(str(path.parent))
    assert [(e.id, e.references, e.image.name) for e in source] == [
        ("000000000", ("a dog",), "000000000.jpg"),
        ("000000002", ("a cat",), "000000002.jpg"),
    ]
    assert source.notes == {"rows without an image left out": 1} and source[1].image.digest == digest(2)


def test_paths_of_files(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(picture(3))
    path = write_parquet(tmp_path / "a.parquet", image=["a.jpg"], caption=["x"])
    source = HuggingFaceData(str(path), images=str(tmp_path / "photos"))
    assert source[0].image == ImageFile(tmp_path / "photos" / "a.jpg")
    assert source.image_ids() == [source[0].image_id] == [f"{tmp_path.name}/photos/a.jpg"]
    with pytest.raises(UserError, match="nowhere: no such image folder"):
        HuggingFaceData(str(path), images=str(tmp_path / "nowhere"))


def test_an_image_folder_counts_the_files_that_its_table_does_not_list(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(picture(3))
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "b.jpg", "text": "x"}\n{"file_name": "a.jpg", "text": "y"}\n'
    )
    source = HuggingFaceData(str(tmp_path))
    assert [(e.image.name, e.references) for e in source] == [("b.jpg", ("x",)), ("a.jpg", ("y",))]
    assert source.notes == {"image files without a row left out": 1}


def test_all_problems_are_named_at_once_with_their_rows(tmp_path):
    columns = {"image": images(0, 1, 2, None, 4), "question": ["q", None, "", None, "q"]}
    answers = [[{"answer": "a"}, {"answer": None}], [], None, None, [{"answer": "fine"}]]
    path = write_parquet(tmp_path / "a.parquet", **columns, answers=answers, n=[1, 2, 2, 2, 3])
    with pytest.raises(UserError) as raised:
        HuggingFaceData(str(path), columns={"id": "n"})
    assert str(raised.value).splitlines()[1:] == [
        "  row 0 (from 0): answers[1] is null",
        "  row 1 (from 0): 'answers' is an empty list",
        "  row 1 (from 0): 'question' is null",
        "  row 2 (from 0): 'answers' is null",
        "  row 2 (from 0): 'n' is 2, as in row 1",
        "  row 2 (from 0): 'question' is an empty text",
    ]


def test_a_data_set_without_images_is_refused(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", image=[{"bytes": None, "path": None}] * 2, text=["a", "b"])
    with pytest.raises(UserError, match="none of its 2 rows has an image"):
        HuggingFaceData(str(path))


def test_records_of_examples_are_read_whole(tmp_path):
    example = Example(
        "9", ImageFile(Path()), "vg/9", ("two\nlines", ""), "q?", "a", {"k": "v"}, {"a": 0.5}, ("a", "b")
    )
    records = [json.dumps(as_record(example)), None]
    path = write_parquet(
        tmp_path / "a.parquet",
        image=images(1, 2),
        id=["9", "x"],
        caption=[["a"], ["b", "c"]],
        frozenvl=records,
    )
    source = HuggingFaceData(str(path))
    assert as_record(source[0]) == as_record(example) and source[0].image.digest == digest(1)
    assert (source[1].id, source[1].references) == ("x", ("b", "c"))
    assert list(source.targets_per_example) == [1, 2] and source.image_ids() == ["vg/9", f"image/{digest(2)}"]


def test_it_survives_pickling_and_forking(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", image=images(*range(6)), text=list("abcdef"))
    source = HuggingFaceData(str(path))
    pickled = pickle.dumps(source)
    assert len(pickled) < 20_000 and rows(pickle.loads(pickled)) == rows(source)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(ReadDigest(source), range(6)) == [digest(n) for n in range(6)]


class ReadDigest:
    """Function that reads the image at an index."""

    def __init__(self, source: HuggingFaceData) -> None:
        self.source = source

    def __call__(self, index: int) -> str:
        return self.source[index].image.digest


def test_a_check_reads_the_header_of_stored_images(tmp_path):
    large = [{"bytes": picture(1, (12_000, 2)), "path": "a.png"}]
    report = check(HuggingFaceData(str(write_parquet(tmp_path / "a.parquet", image=large, text=["a"]))))
    assert report.found["large image"] == ["a.png: 12000 × 2 pixels"]
    assert report.found["wrong suffix"] == ["a.png: is JPEG"]


def test_indices_are_those_of_a_sequence(tmp_path):
    source = HuggingFaceData(
        str(write_parquet(tmp_path / "a.parquet", image=images(0, 1, 2), text=list("abc")))
    )
    assert source[-1].references == ("c",) and source[np.int64(1)].references == ("b",)
    with pytest.raises(IndexError):
        source[3]


def test_a_saved_data_set_equals_its_origin(tmp_path, monkeypatch):
    """COCO captions, saved with `datasets` by file name, are the same examples."""
    folder = tmp_path / "images"
    folder.mkdir()
    names = [f"{n:012}.jpg" for n in (3, 5)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(picture(number))
    captions = [["a dog", "the dog"], ["a cat"]]
    (tmp_path / "c.json").write_text(json.dumps({
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "annotations": [{"image_id": n, "caption": text} for n, texts in enumerate(captions) for text in texts],
    }))  # fmt: skip
    coco = CocoCaptions(str(tmp_path / "c.json"), str(folder))
    features = datasets.Features(
        {"image": datasets.Image(), "captions": datasets.List(datasets.Value("string"))}
    )
    saved = {"image": [str(folder / name) for name in names], "captions": captions}
    datasets.Dataset.from_dict(saved, features=features).save_to_disk(str(tmp_path / "saved"))
    source = HuggingFaceData(str(tmp_path / "saved"))
    assert [as_record(e) for e in source] == [as_record(e) for e in coco]
    assert [e.image.digest for e in source] == [e.image.digest for e in coco]
