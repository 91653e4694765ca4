"""Recognising the layout of a file or folder."""

from __future__ import annotations

import json
import re
from inspect import signature
from pathlib import Path

import pytest
from every_source import EVERY
from published_layouts import CONTENTS, recognises
from tars import folder_of_shards, picture

from frozenvl.data.detect import advice, detect, identify, inside, usage
from frozenvl.data.registry import source_classes
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.folder import ImageFolder
from frozenvl.data.sources.labelled import LabelledImages
from frozenvl.data.sources.shards import Shards
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("name", CONTENTS)
def test_a_layout_is_recognised_by_one_source_at_most(name):
    content = CONTENTS[name]
    assert len([kind for kind in source_classes().values() if recognises(kind, content)]) <= 1


@pytest.mark.parametrize(
    "content", [None, [], {}, 3, "a", [[]], [{"a": 1}], {"images": 3}, {"questions": ["a"]}, {"data": [3]}]
)
def test_other_contents_are_not_recognised(content):
    assert detect(content) is None
    assert "data/README.md" in advice(Path("x.json"), content)


FILES = sorted(
    name for name in EVERY if not name.startswith(("Scene", "MovingScene", "Joined", "CaptionLabels"))
)
"""Sources of files."""
ALSO = {
    ("ConceptualCaptions", "TableCaptions"),
    ("ImageFolder", "ImageTextFiles"),
    ("ImageFolder", "LabelledImages"),
    ("LlavaCaptions", "LlavaQuestions"),
    ("LlavaQuestions", "LlavaCaptions"),
    ("LlavaQuestions", "LlavaConversations"),
    ("LlavaConversations", "LlavaCaptions"),
    ("LlavaConversations", "LlavaQuestions"),
    ("TableCaptions", "ConceptualCaptions"),
}
"""Sources that also read the files of others: (source, the other)."""
OTHER_WORDS = {
    "ConceptualCaptions": "TableCaptions",
    "ImageTextFiles": "ImageFolder|ImageTextFiles",
    "LabelledImages": "ImageFolder|LabelledImages",
    "Multi30kCaptions": "correct|writes one|download|line",
}
"""Source → pattern of the advice about its files, where that is not its name."""


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, Path]:
    """Returns the first file or folder of a small data set of each source."""
    found = {}
    for name in FILES:
        arguments = EVERY[name](tmp_path_factory.mktemp(f"data-{FILES.index(name)}-"))
        found[name] = Path(arguments[next(iter(signature(source_classes()[name]).parameters))])
    return found


@pytest.mark.parametrize("name", FILES)
def test_files_given_to_another_source_are_answered_with_their_own(places, name, feature_home):
    kind = source_classes()[name]
    first, *others = signature(kind).parameters
    for other, place in places.items():
        if other == name or (name, other) in ALSO:
            continue
        parent = str(place.parent)
        given = {"images": parent, "videos": parent, "annotations": None, "names": str(place)}
        arguments = {first: str(place)} | {key: value for key, value in given.items() if key in others}
        with pytest.raises(UserError) as error:
            kind(**arguments)
        message = str(error.value).replace(str(place.parent), "")
        if (name, other) != ("LabelledImages", "ImageFolder") and other != "ImageTextFiles":
            assert re.search(OTHER_WORDS.get(other, other), message), (other, message)


def test_a_table_given_to_another_source_is_answered_with_its_own(tmp_path):
    table = EVERY["TableCaptions"](tmp_path)["table"]
    with pytest.raises(
        UserError, match=r"this is a table of captions: use TableCaptions \(--table captions.csv\)"
    ):
        CocoCaptions(table, str(tmp_path))
    with pytest.raises(UserError, match="a folder, not a file; this is a folder of images: use ImageFolder"):
        CocoCaptions(EVERY["ImageFolder"](tmp_path)["folder"], str(tmp_path))


def test_folders_and_tars_are_recognised(tmp_path):
    for file in ("flat/1.jpg", "classes/a/1.jpg", "classes/b/2.JPEG", "one/images/1.png", "none/1.bin"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(picture(0))
    folder_of_shards(tmp_path / "tars", [2])
    assert identify(tmp_path / "flat") == [ImageFolder]
    assert identify(tmp_path / "classes") == [LabelledImages, ImageFolder]
    assert identify(tmp_path / "one") == [ImageFolder]
    assert identify(tmp_path / "none") == []
    assert identify(tmp_path / "tars") == identify(next((tmp_path / "tars").glob("*.tar"))) == [Shards]
    for name in ("VideoShards", "VideoFolder"):
        (tmp_path / name).mkdir()
        kind = source_classes()[name]
        assert identify(Path(next(iter(EVERY[name](tmp_path / name).values())))) == [kind]
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        identify(tmp_path / "nowhere")


def test_the_files_of_a_folder_are_listed_with_their_images(tmp_path):
    questions = Path(EVERY["VQAQuestions"](tmp_path)["questions"])
    (tmp_path / "broken.json").write_text("{")
    found = dict(inside(tmp_path))
    assert found == {tmp_path / "answers.json": [], questions: [VQAQuestions]}
    assert usage(VQAQuestions, questions) == (
        f"VQAQuestions --questions {questions} --annotations ANNOTATIONS --images {tmp_path}/images"
    )
    spaced = tmp_path / "my file.json"
    spaced.write_text(json.dumps({}))
    assert usage(CocoCaptions, spaced).startswith(f"CocoCaptions --annotations '{spaced}' --images ")


def test_a_folder_with_annotations_is_answered_with_their_source(tmp_path):
    EVERY["JsonCaptions"](tmp_path)
    with pytest.raises(UserError, match=r"it holds annotations.json: this is .*: use JsonCaptions"):
        CocoCaptions(str(tmp_path), str(tmp_path / "images"))


def test_parquet_files_beside_tars_are_no_data_set(tmp_path):
    folder_of_shards(tmp_path / "tars", [2])
    (tmp_path / "tars" / "0.parquet").write_bytes(b"PAR1")
    assert identify(tmp_path / "tars") == [Shards]
