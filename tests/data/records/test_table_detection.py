"""Tables told from other files."""

from __future__ import annotations

import gzip

import pytest

from frozenvl.data.records.table_detection import HEAD_BYTES, looks_like_table

TABLES = {
    "tsv": "a dog\t1.jpg\n",
    "reversed": "1.jpg\ta dog\n",
    "token": "1.jpg#0\ta dog\n1.jpg#1\ta cat\n",
    "coco-cn": "COCO_train2014_000000000009#0\t一只狗\n",
    "results.csv": "image_name| comment_number| comment\n1.jpg| 0| a dog .\n",
    "captions.txt": 'image,caption\n1.jpg,"a dog , twice"\n',
    "annotations": 'raw,sentids,split,filename,img_id\n"[""a""]","[0]",train,1.jpg,0\n',
    "unknown-header": "picture\twords\n1.jpg\ta dog\n2.jpg\ta cat\n",
    "three-columns": "7\ta dog\t1.jpg\n",
    "cc3m": "a dog\thttp://example.org/1\n",
    "cc12m": "http://example.org/1\ta dog\n",
    "long": "a dog\t1.jpg\n" * HEAD_BYTES,
    "mac": "a dog\t1.jpg\r" * HEAD_BYTES,
}
OTHERS = {
    "empty": "",
    "coco": '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": []}',
    "list": '[{"image": "1.jpg", "caption": "a dog, a cat"}]',
    "list-of-files": '["1.jpg", "2.jpg"]',
    "jsonl": '{"image": "1.jpg", "text": "a, b"}\n{"image": "2.jpg", "text": "c, d"}\n',
    "pretty": '{\n  "image": "1.jpg",\n  "text": "a"\n}\n',
    "names": "1.jpg\n2.jpg\n",
    "sentences": "Ein Hund, eine Katze.\nZwei Leute, ein Kind.\n",
    "daquar": "what is on the desk in the image1 ?\npaper, book\nwhat is red in the image2 ?\nchair, box\n",
    "yaml": "data:\n  root: null\n  file: a.jpg\n",
    "numbers": "1,2,3\n4,5,6\n",
    "questions": "question\tanswer\nwhat?\ta dog\n",
    "binary": "\0a\t1.jpg\n",
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_recognised(tmp_path, kind):
    path = tmp_path / "file"
    for data in (
        TABLES[kind].encode("utf-8-sig"),
        gzip.compress(TABLES[kind].encode()),
        TABLES[kind].encode("utf-16"),
    ):
        path.write_bytes(data)
        assert looks_like_table(path)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_texts_are_not(tmp_path, kind):
    (tmp_path / "file").write_text(OTHERS[kind])
    assert not looks_like_table(tmp_path / "file")


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04", b"PAR1\t1.jpg", b"\x1f\x8b\t1.jpg", b"\xff\xd8\xff\xe0\t1"], ids=range(4)
)
def test_other_files_are_not(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    assert not looks_like_table(tmp_path / "file")
    assert not looks_like_table(tmp_path / "missing") and not looks_like_table(tmp_path)
