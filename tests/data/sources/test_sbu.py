"""SBU Captions as published: addresses and captions in parallel lists."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from published_layouts import CONTENTS, recognised

from frozenvl.data.sources.captions import Captioned
from frozenvl.data.sources.sbu import SBUCaptions
from frozenvl.util.errors import UserError

URLS = [f"http://static.flickr.com/27{n}/{n}_b0f.jpg" for n in range(4)]
TEXTS = ["a dog", "a cat\u2028asleep", "a boat", "  "]


def folder_with(tmp_path, *names):
    for name in names:
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    (tmp_path / "images").mkdir(exist_ok=True)
    return str(tmp_path / "images")


def as_json(tmp_path, urls=URLS, captions=TEXTS) -> str:
    content = {"image_urls": urls, "user_ids": ["1"] * len(urls), "captions": captions}
    (tmp_path / "sbu-captions-all.json").write_text(json.dumps(content))
    return str(tmp_path / "sbu-captions-all.json")


def as_text(tmp_path, urls=URLS, captions=TEXTS) -> tuple[str, str]:
    (tmp_path / "captions.txt").write_text("".join(f"{text}\n" for text in captions), encoding="utf-8")
    (tmp_path / "urls.txt").write_text("".join(f"{url}\r\n" for url in urls), newline="")
    return str(tmp_path / "captions.txt"), str(tmp_path / "urls.txt")


@pytest.mark.parametrize("published", ["JSON", "text"])
def test_an_image_is_the_last_part_of_its_address(tmp_path, published):
    images = folder_with(tmp_path, "0_b0f.jpg", "below/1_b0f.jpg", "3_b0f.jpg", "other.jpg")
    if published == "JSON":
        source = SBUCaptions(as_json(tmp_path), images)
    else:
        captions, urls = as_text(tmp_path)
        source = SBUCaptions(captions, images, urls)
    assert [(e.id, e.image.path.relative_to(tmp_path).as_posix(), e.references) for e in source] == [
        ("0_b0f.jpg", "images/0_b0f.jpg", ("a dog",)),
        ("1_b0f.jpg", "images/below/1_b0f.jpg", ("a cat asleep",)),
    ]
    assert dict(source.notes) == {
        "captions left out, whose image is not in the folder": 1,
        "empty captions left out": 1,
    }


def test_an_address_twice_has_two_captions(tmp_path):
    images = folder_with(tmp_path, "0_b0f.jpg")
    source = SBUCaptions(as_json(tmp_path, [URLS[0] + "?zz=1", URLS[0]], ["a dog", "dogs"]), images)
    assert [e.references for e in source] == [("a dog", "dogs")]


def test_a_folder_without_any_of_the_images_points_to_img2dataset(tmp_path):
    with pytest.raises(UserError, match=r"all.json: holds addresses, not files; .*img2dataset"):
        SBUCaptions(as_json(tmp_path), folder_with(tmp_path, "000000001.jpg"))


@pytest.mark.parametrize(
    ("urls", "captions", "message"),
    [
        (URLS, TEXTS[:3], "3 captions, but 4 addresses; give files of one set"),
        ([URLS[0], None], TEXTS[:2], r"image_urls\[1\] is null, not a text"),
        (URLS[:2], ["a dog", 7], r"captions\[1\] is a number \(7\), not a text"),
    ],
    ids=["numbers", "null", "number"],
)
def test_lists_that_do_not_match_are_refused(tmp_path, urls, captions, message):
    with pytest.raises(UserError, match=message):
        SBUCaptions(as_json(tmp_path, urls, captions), folder_with(tmp_path, "0_b0f.jpg"))


def test_text_files_that_do_not_match_are_refused(tmp_path):
    captions, urls = as_text(tmp_path, captions=TEXTS[:2])
    images = folder_with(tmp_path, "0_b0f.jpg")
    with pytest.raises(UserError, match=r"captions.txt: 2 captions, but 4 addresses"):
        SBUCaptions(captions, images, urls)
    with pytest.raises(UserError, match=r"captions.txt: .*addresses in another; give urls"):
        SBUCaptions(captions, images)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(CONTENTS["COCO captions"]))
    with pytest.raises(UserError, match=r"not SBU's captions .*use CocoCaptions"):
        SBUCaptions(str(tmp_path / "x.json"), folder_with(tmp_path))


def test_captions_can_be_scored_without_images(tmp_path):
    rows = [*SBUCaptions.annotated(tmp_path / as_json(tmp_path, captions=["a", "b", "c", "d"]), Counter())]
    assert rows[1] == Captioned("1_b0f.jpg", "1_b0f.jpg", ("b",)) and len(rows) == 4


def test_it_recognises_its_own_file_only():
    assert recognised(SBUCaptions) == {"SBU"}
