"""`frozenvl data pack`, `convert`, `check`, `show` and `index` on the command line."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from chat_models import CHATML, chat_tokenizer
from PIL import Image
from running import one_line
from tars import folder_of_shards, picture, sample, write_tar
from tokenizers import AddedToken
from transformers import AutoTokenizer

from frozenvl.cli import main
from frozenvl.data.registry import build_source, source_classes
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.data.sources.shards import Shards
from frozenvl.util.errors import UserError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    return tmp_path


def data(*arguments: object) -> int:
    return main(["data", *map(str, arguments)])


def saved(image: Image.Image, kind: str, **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def test_pack_then_check_then_show(here, capsys):
    assert data("pack", "SceneCaptions", "p", "--size", 5, "--samples-per-shard", 2, "--seed", 3) == 0
    assert "p: 5 examples in 3 shards" in capsys.readouterr().out
    packed, source = Shards("p"), SceneCaptions(size=5, seed=3)
    assert [packed[i].references for i in range(5)] == [source[i].references for i in range(5)]
    assert data("check", "Shards", "--shards", "p", "--strict") == 0
    assert "5 examples, 5 images, 25 texts to train on" in capsys.readouterr().out
    assert data("show", "Shards", "--shards", "p", "--count", 4, "--out", "sheets/one.png") == 0
    with Image.open("sheets/one.png") as sheet:
        assert sheet.width == 4 * 248
    drawn = Path("sheets/one.png").read_bytes()
    assert data("show", "Shards", "--shards", "p", "--count", 4, "--out", "again.png") == 0
    assert data("show", "Shards", "--shards", "p", "--count", 4, "--out", "other.png", "--seed", 1) == 0
    assert Path("again.png").read_bytes() == drawn != Path("other.png").read_bytes()


@pytest.mark.parametrize("layout", ["coco", "webdataset", "parquet"])
def test_convert_prints_the_command_that_reads_the_result(here, arrow_cache, capsys, layout):
    assert (
        data("convert", "SceneCaptions", "new data", "--format", layout, "--size", 3, "--resolution", 32) == 0
    )
    first, command = capsys.readouterr().out.splitlines()
    assert first == "new data: 3 examples; read it with" and command.startswith("frozenvl data check ")
    assert main(shlex.split(command)[1:]) == 0
    assert "3 examples, 3 images, 15 texts to train on" in capsys.readouterr().out


def test_convert_lists_what_it_leaves_out(here, capsys):
    (here / "a.jpg").write_bytes(picture(1))
    (here / "c.tsv").write_text("a dog\ta.jpg\na cat\tb.jpg\n")
    pairs = ("ConceptualCaptions", "made", "--format", "table", "--tsv", "c.tsv", "--images", ".")
    assert data("convert", *pairs) == 2
    assert "b.jpg: no such image" in one_line(capsys.readouterr().err)
    assert data("convert", *pairs, "--skip-bad", "--link") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("made: 1 examples; 1 left out; read it with\n")
    assert "left out: 1: b.jpg: no such image" in printed.err
    assert (here / "made" / "images" / "a.jpg").samefile(here / "a.jpg")


def test_show_and_its_source_have_separate_seeds(here, capsys):
    assert data("show", "SceneCaptions", "--size", 3, "--seed", 1, "--source.seed", 5) == 0
    assert "sheet.png: 3 of 3 examples" in capsys.readouterr().out


ODD = {
    "fine": (picture(1), "jpg", "a dog"),
    "twin": (picture(1), "jpg", "another dog"),
    "html": (b"<html>", "jpg", "a page"),
    "empty": (b"", "png", "nothing"),
    "cut": (picture(2, (300, 300))[:400], "jpg", "half"),
    "mute": (picture(4), "jpg", " "),
    "cmyk": (saved(Image.new("CMYK", (9, 9), 50), "JPEG"), "jpg", "inks"),
    "deep": (saved(Image.new("I;16", (9, 9), 5000), "PNG"), "png", "sixteen bits"),
    "turned": (saved(Image.new("RGB", (9, 8)), "JPEG", exif=exif(6)), "jpg", "on its side"),
    "moving": (
        saved(Image.new("L", (9, 9)), "GIF", save_all=True, append_images=[Image.new("L", (9, 9), 200)]),
        "gif",
        "two frames",
    ),
    "disguised": (picture(5, kind="PNG"), "jpg", "a PNG"),
    "banner": (picture(6, (12_000, 2)), "jpg", "wide"),
    "nul": (picture(7), "jpg", "a\0b"),
    "latin": (picture(8), "jpg", b"caf\xe9"),
    "chatter": (picture(9), "jpg", "word " * 20_000),
}
FOUND = {
    "unreadable": {"html", "empty", "cut"},
    "empty text": {"mute"},
    "same image": {"twin"},
    "CMYK image": {"cmyk"},
    "more than 8 bits": {"deep"},
    "rotated by EXIF": {"turned"},
    "animated or many pages": {"moving"},
    "wrong suffix": {"disguised"},
    "large image": {"banner"},
    "NUL in text": {"nul"},
    "text not UTF-8": {"latin"},
    "long text": {"chatter"},
    "single colour": ODD.keys() - {"html", "empty", "cut", "mute"},
}


@pytest.fixture
def odd(here) -> Path:
    members = [
        (f"{name}.{end}", content)
        for name, (image, suffix, text) in ODD.items()
        for end, content in ((suffix, image), ("txt", text))
    ]
    return write_tar(here / "odd.tar", members)


def test_check_reports_bad_and_odd_examples(odd, capsys):
    assert data("check", "Shards", "--shards", odd, "--json", "out/report.json") == 0
    report = json.loads(Path("out/report.json").read_text())
    found = {
        kind: {line.split(":")[0].removeprefix("odd/").partition(".")[0] for line in lines}
        for kind, lines in report["found"].items()
    }
    assert found == FOUND
    assert report["counts"] == {kind: len(names) for kind, names in FOUND.items()}
    assert (report["examples"], report["bad"], report["source"]) == (15, 4, "Shards")
    assert report["arguments"] == ["--shards", str(odd)]
    out = capsys.readouterr().out
    assert (
        "BAD  unreadable: 3" in out
        and "odd  same image: 1" in out
        and "4 images or texts cannot be used" in out
    )
    assert "odd/html.jpg: not a readable image (it is an HTML page)" in out


def test_check_fails_only_with_strict(odd):
    assert data("check", "Shards", "--shards", odd, "--strict") == 1
    assert data("check", "Shards", "--shards", odd) == 0


def test_check_prints_a_few_examples_and_the_notes_of_the_index(here, capsys):
    write_tar(here / "a.tar", [(f"{n}.txt", "alone") for n in range(5)] + sample(3) * 2)
    assert data("check", "Shards", "--shards", "a.tar") == 0
    out = capsys.readouterr().out
    assert "index: 5 samples without an image" in out and "index: 1 repeated keys" in out
    assert "a/2: has no image member" in out and "a/3: has no image member" not in out


UNUSABLE = {
    "no image": [("0.photo", picture()), ("0.txt", "a")],
    "no text": [("0.jpg", picture()), ("0.cls", "7")],
    "other key": [("0.jpg", picture()), ("0.json", {"title": "a"})],
    "empty texts": [("0.jpg", picture()), ("0.txt", " ")],
    "HTML": [("0.jpg", "<html>"), ("0.txt", "a")],
    "no members": [],
}


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.parametrize("strict", [[], ["--strict"]], ids=["lenient", "strict"])
def test_check_fails_if_no_example_can_be_used(here, capsys, kind, strict):
    write_tar(here / "a.tar", UNUSABLE[kind])
    assert data("check", "Shards", "--shards", "a.tar", *strict) == 1
    out = capsys.readouterr().out
    assert "all can be used" not in out
    last = out.splitlines()[-1]
    assert last.startswith("none of the 1 examples can be used" if UNUSABLE[kind] else "no examples")
    named = {
        "no image": "index: 1 members ignored (photo: 1)",
        "no text": "index: 1 members ignored (cls: 1)",
        "other key": "index: 1 samples without a text (texts in their .json: title: 1)",
    }
    assert named.get(kind, "") in out
    assert last.endswith("; image_key and text_key name the members to read") == (kind in named)


@pytest.mark.parametrize("strict", [[], ["--strict"]], ids=["lenient", "strict"])
def test_check_refuses_tars_of_which_no_member_is_used(here, capsys, strict):
    write_tar(here / "a.tar", [(f"a.b0.{suffix}", picture()) for suffix in ("jpg", "txt")])
    for action in (["check", "Shards", "--shards", "a.tar", *strict], ["index", "a.tar"]):
        assert data(*action) == 2
        line = one_line(capsys.readouterr().err)
        assert "none of its 2 members is an image or a text (b0.jpg: 1, b0.txt: 1)" in line
        assert (
            "A name is split at its first dot, as webdataset does: x.b0.jpg is sample x, member b0.jpg"
            in line
        )


def test_index_and_check_find_images_and_texts_by_their_names(here, capsys):
    members = [("0.photo.jpg", picture()), ("0.json", {"title": "a dog"}), ("0.cls", "7")]
    write_tar(here / "a.tar", members)
    keys = ["photo", "title"]
    named = ["--image-key", keys[0], "--text-key", keys[1]]
    assert data("index", "a.tar", "--index", "i", *named) == 0
    assert "there are 1 members ignored (cls: 1)" in capsys.readouterr().err
    source = ["--shards", "a.tar", "--image_key", keys[0], "--text_key", keys[1]]
    assert data("check", "Shards", *source, "--index", "i", "--strict") == 0
    assert "1 examples, 1 images, 1 texts" in capsys.readouterr().out
    assert data("check", "Shards", "--shards", "a.tar", "--index", "i") == 2
    line = one_line(capsys.readouterr().err)
    assert 'i: made with image_key "photo" and text_key "title"; make it again' in line


@pytest.mark.parametrize("action", ["check", "show", "pack", "convert"])
def test_help_lists_the_arguments_of_the_source(capsys, action):
    with pytest.raises(SystemExit) as ended:
        data(action, "CocoCaptions", "--help")
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"usage: frozenvl data {action}" in out and "--annotations" in out and "--images" in out
    with pytest.raises(SystemExit):
        data(action, "--help")
    assert "--annotations" not in capsys.readouterr().out


class Repeated(SceneCaptions):
    """A source whose examples all have one id."""

    def __getitem__(self, index):
        return replace(super().__getitem__(index), id="1")


def test_check_reports_repeated_ids(here, capsys):
    assert data("check", f"{Repeated.__module__}.Repeated", "--size", "3") == 0
    assert "odd  repeated id: 2" in capsys.readouterr().out


def test_check_counts_texts_that_spell_the_special_tokens_of_a_language_model(here, tiny_language, capsys):
    images = [{"id": n, "file_name": "a.jpg"} for n in range(2)]
    captions = ["a sign: <end> of road", "<s>old</s>"]
    annotations = [{"image_id": n, "caption": text} for n, text in enumerate(captions)]
    Path("c.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    Path("a.jpg").write_bytes(picture(0))
    source = ("check", "CocoCaptions", "--annotations", "c.json", "--images", ".")
    shutil.copytree(tiny_language, "with-files")
    words = AutoTokenizer.from_pretrained("with-files")
    words.add_tokens([AddedToken("<s>old", special=True)])  # no attribute names it
    words.save_pretrained("with-files")
    (Path("b.json")).write_text(Path("c.json").read_text().replace("<end>", ""))
    assert (
        data("check", "CocoCaptions", "--annotations", "b.json", "--images", ".", "--language", "with-files")
        == 0
    )
    assert "spells '<s>old'" in capsys.readouterr().out
    for options, spelled in (((), "<s>"), (("--language", tiny_language), "<end>")):
        assert data(*source, *options) == 0
        out = capsys.readouterr().out
        assert "odd  special token in text: 1\n" in out and f"spells '{spelled}'" in out
    assert data(*source, "--language", "nowhere/at/all") == 2
    assert "no such folder" in one_line(capsys.readouterr().err)


def test_an_image_of_several_examples_is_read_and_reported_once(here, capsys):
    assert data("check", "SceneQuestions", "--size", 12, "--per_image", 4, "--resolution", 64) == 0
    out = capsys.readouterr().out
    assert "12 examples, 3 images, 12 texts" in out and "all can be used" in out


def test_a_sheet_has_tiles_for_unreadable_images(odd, capsys):
    assert data("show", "Shards", "--shards", odd, "--count", 99) == 0
    assert "sheet.png: 15 of 15 examples" in capsys.readouterr().out
    with Image.open("sheet.png") as sheet:
        assert sheet.height == 4 * 398


def test_a_malformed_row_is_reported_and_shown(here, capsys):
    Path("c.tsv").write_text("a dog\ta.jpg\nno tab\n")
    Path("a.jpg").write_bytes(picture())
    source = ("ConceptualCaptions", "--tsv", "c.tsv", "--images", ".")
    assert data("check", *source, "--strict") == 1
    assert "BAD  unreadable: 1" in capsys.readouterr().out
    assert data("show", *source) == 0


def test_shards_uses_the_index_that_the_command_made(here, capsys):
    folder_of_shards(here / "s", [2, 3])
    assert data("index", "s") == 0
    assert "s/index.frozenvl: 5 samples in 2 shards" in capsys.readouterr().out
    made = Path("s/index.frozenvl").stat().st_ino
    assert len(Shards("s")) == 5 and Path("s/index.frozenvl").stat().st_ino == made
    assert data("index", "s/00001.tar", "s/00000.tar", "--index", "x/i") == 0
    assert Shards(["s/00001.tar", "s/00000.tar"], index="x/i")[0].id == "00001/000000002"


def test_indexing_a_truncated_shard_needs_allow_broken(here, capsys):
    folder_of_shards(here / "s", [3])
    path = here / "s" / "00000.tar"
    path.write_bytes(path.read_bytes()[:4200])
    assert data("index", "s") == 2
    assert "00000.tar: is truncated at byte 4200; download it again" in one_line(capsys.readouterr().err)
    assert data("index", "s", "--allow-broken") == 0
    printed = capsys.readouterr()
    assert "warning: " in printed.err and "indexed up to there" in printed.err and "2 samples" in printed.out
    assert len(Shards("s")) == 2  # the index is used as it is


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "required: what|pack|convert|index|check|show"),
        (["pick"], "invalid choice: 'pick'"),
        (["pack", "SceneCaptions"], "required: DEST"),
        (["check", "Nope"], "no source 'Nope'; `frozenvl data what PATH` names"),
        (["check", "nowhere.Nope"], "nowhere.Nope: cannot be imported"),
        (["check", "os.path"], "os.path: not a source"),
        (["check", "SceneCaptions", "--sise", 3], "SceneCaptions: unrecognized arguments: --sise 3"),
        (["check", "SceneCaptions", "--size", "many"], "size"),
        (["check", "SceneCaptions", "--size", 0], "size must be at least 1"),
        (["check", "CocoCaptions"], "annotations"),
        (["pack", "SceneCaptions", "p", "--size", 3, "--samples-per-shard", 0], "at least 1"),
        (["pack", "SceneCaptions", "p", "--samples-per-shard", 3, "--shard-mb", 3], "not allowed with"),
        (["convert", "SceneCaptions", "p"], "required: --format"),
        (["convert", "SceneCaptions", "p", "--format", "hdf5"], "invalid choice: 'hdf5'"),
        (["convert", "SceneCaptions", "p", "--format", "parquet", "--link"], "leave out --link"),
        (["convert", "SceneCaptions", ".", "--format", "coco", "--size", 3], "is the current folder"),
        (["show", "SceneCaptions", "--count", 0], "--count: 0 is not a number of 1 or more"),
        (["index", "nowhere"], "nowhere: no such shard"),
        (["index", "nowhere", "--size", 3], "unrecognized arguments: --size 3"),
    ],
    ids=str,
)
def test_bad_input_is_one_error_line(here, capsys, arguments, expected):
    assert data(*arguments) == 2
    message = one_line(capsys.readouterr().err)
    assert expected in message and len(message) < 450
    assert not Path("p").exists()


def test_sources_are_found_by_name_or_class_path_without_torch():
    classes = source_classes()
    assert {"CocoCaptions", "SceneCaptions", "SceneQuestions", "Shards"} <= set(classes)
    by_path = build_source("frozenvl.data.sources.scenes.SceneCaptions", ["--size", "4", "--split=val"])
    assert type(by_path) is SceneCaptions and (len(by_path), by_path.split) == (4, "val")
    with pytest.raises(UserError, match="no source '_Scenes'"):
        build_source("_Scenes", [])
    look = (
        "import sys; from frozenvl.cli import main; "
        "main(['data', 'check', 'SceneCaptions', '--size', '1']); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert not {"torch", "lightning", "transformers"} & set(done.stdout.splitlines()[-1].split())


def test_help_imports_no_large_package():
    look = (
        "import sys\nfrom frozenvl.cli import main\ntry: main(['data', 'pack', '--help'])\nexcept SystemExit: pass\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    *usage, modules = done.stdout.splitlines()
    assert "--samples-per-shard" in "".join(usage)
    assert not {"torch", "jsonargparse", "numpy", "PIL"} & set(modules.split())


def test_check_prints_what_a_source_leaves_out(here, capsys):
    captions = [{"id": 1, "image_id": 1, "caption": "a dog"}]
    captions += [{"id": n, "image_id": 1, "caption": "spam", "is_rejected": True} for n in (2, 3)]
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": captions}
    Path("vizwiz.json").write_text(json.dumps(content))
    Path("a.jpg").write_bytes(picture(0))
    command = ["data", "check", "CocoCaptions", "--annotations", "vizwiz.json", "--images", "."]
    assert main([*command, "--json", "report.json"]) == 0
    assert "note: 2 rejected captions left out\n" in capsys.readouterr().out
    assert json.loads(Path("report.json").read_text())["notes"] == {"rejected captions left out": 2}


def test_what_names_the_source_and_the_command_that_checks(here, capsys):
    captions = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": "a"}]}
    Path("set/photos").mkdir(parents=True)
    Path("set/photos/a.jpg").write_bytes(picture(0))
    Path("set/c.json").write_text(json.dumps(captions))
    assert data("what", "set") == data("what", "set/c.json") == 0
    line, command = capsys.readouterr().out.splitlines()[-2:]
    assert line == "set/c.json: COCO captions JSON"
    assert command == "    frozenvl data check CocoCaptions --annotations set/c.json --images set/photos"
    assert main(command.split()[1:]) == 0
    Path("odd.json").write_text("{}")
    assert data("what", "set/photos", "odd.json") == 1
    out = capsys.readouterr().out
    assert "set/photos: a folder of images" in out and "odd.json: no layout that is read" in out
    for bad in ("nowhere", "set --size"):
        assert data("what", *bad.split()) == 2


@pytest.fixture
def talks(here) -> list[str]:
    """Writes conversations with one image, none and two; returns the arguments of their source."""
    rows = [
        ("1", "a.jpg", ["<image>\nWhat is it?", "A bus.", "What colour?", "Red."]),
        ("2", None, ["Hello?", "Hi."]),
        ("3", ["a.jpg", "b.jpg"], ["<image> or <image>?", "Both."]),
    ]
    said = lambda texts: [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]
    made = [{"id": key, "image": image, "conversations": said(texts)} for key, image, texts in rows]
    Path("talks.json").write_text(json.dumps(made))
    Path("images").mkdir()
    for number, name in enumerate(("a.jpg", "b.jpg")):
        Path("images", name).write_bytes(picture(number))
    return ["LlavaConversations", "--annotations", "talks.json", "--images", "images"]


def test_what_names_a_source_of_conversations_and_its_alternatives(talks, capsys):
    assert data("what", "talks.json") == 0
    first, command, other = capsys.readouterr().out.splitlines()
    assert first == "talks.json: LLaVA's conversations JSON" and other.split() == [
        "or", "LlavaQuestions:", "LLaVA's", "questions", "JSON",
    ]  # fmt: skip
    assert command.split()[1:] == ["data", "check", *talks]


def test_check_prints_a_conversation_with_what_is_learned(talks, capsys):
    assert data("check", *talks, "--strict") == 0
    out = capsys.readouterr().out
    assert "3 examples, 2 images, 4 texts to train on" in out
    assert (
        "what is learned of 1:\nuser: <a.jpg>\nWhat is it?\nassistant: ⟦A bus.⟧\nuser: What colour?\n"
        "assistant: ⟦Red.⟧\nall can be used" in out
    )


def test_show_prints_the_tokens_that_are_learned_of_a_language_model(here, talks, capsys, tmp_path):
    chat_tokenizer(tmp_path, CHATML)
    assert data("show", *talks, "--language", tmp_path) == 0
    out = capsys.readouterr().out
    assert "<|im_start|>user\n<a.jpg> or <b.jpg>?<|im_end|>\n<|im_start|>assistant\n⟦Both.<|im_end|>⟧" in out
    template = '{"query": "{image}Q: {question} A:", "target": " {target}"}'
    assert data("show", *talks, "--language", tmp_path, "--template", template) == 0
    assert "<a.jpg>Q: or <b.jpg>? A:⟦ Both.<end>⟧" in capsys.readouterr().out
    assert Path("sheet.png").is_file()
    assert data("show", *talks) == 0
    assert "user: <a.jpg> or <b.jpg>?\nassistant: ⟦Both.⟧" in capsys.readouterr().out
    assert data("check", "SceneCaptions", "--size", 2, "--language", tmp_path) == 0
    assert "<end>⟧" in capsys.readouterr().out


def test_a_template_is_refused_without_a_language_model(talks, capsys):
    assert data("show", *talks, "--template", '{"chat": true}') == 2
    assert "name it with --language" in one_line(capsys.readouterr().err)


def test_convert_refuses_several_images_in_an_example(talks, capsys):
    for layout in ("coco", "table", "webdataset", "parquet"):
        assert data("convert", talks[0], f"new-{layout}", "--format", layout, *talks[1:]) == 2
        assert "example 3 shows 2 images" in one_line(capsys.readouterr().err)
