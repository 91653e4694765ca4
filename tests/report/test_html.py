"""The page: what stands in it, and that nothing of it comes to life or from elsewhere."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from running import one_line
from trees import shown, write_naming, write_score, write_shown, write_thumbnail, write_vqa

from frozenvl.cli import main
from frozenvl.report.answers import EACH, gallery_of
from frozenvl.report.comparability import differences
from frozenvl.report.cost_table import worth
from frozenvl.report.html import page
from frozenvl.report.load import read_runs
from frozenvl.report.tables import benchmark_tables
from frozenvl.util.errors import UserError

HOSTILE = "</p><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\"'&{{ 7 * 7 }}"


class Parsed(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def rendered(*folders: Path) -> Parsed:
    runs = read_runs(folders)
    results = [result for run in runs for result in run.results]
    return Parsed(page(runs, benchmark_tables(runs), worth(runs), *differences(results)))


def test_hostile_text_stays_text(tmp_path):
    run = tmp_path / "a<b>"
    folder = write_score(
        run,
        "x",
        {"overall": 30.0},
        benchmark=HOSTILE,
        view=HOSTILE,
        supervised_encoder=HOSTILE,
        provenance={"ends": HOSTILE, HOSTILE: HOSTILE, "model": {"language": HOSTILE}},
    )
    write_thumbnail(folder)
    row = shown(1, 1.0, HOSTILE) | {"id": HOSTILE, "references": [HOSTILE]}
    row["prompt"] = [{"image": "shown/0.jpg"}, {"text": HOSTILE}, {"image": f"shown/{HOSTILE}"}]
    write_shown(folder, [row])
    (folder / "predictions.jsonl").write_text((json.dumps({"id": "1", "text": HOSTILE}) + "\n") * 2)
    parsed = rendered(run)
    assert not {"script", "iframe", "object", "link", "base"} & {tag for tag, _ in parsed.tags}
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in parsed.all("img"))
    assert all((link["href"] or "").startswith("#") for link in parsed.all("a"))
    assert parsed.text.count(HOSTILE) >= 8


def test_everything_is_inside(tmp_path):
    folder = write_vqa(tmp_path / "a", 4, 30.0)
    write_vqa(tmp_path / "a", 0, 28.0)
    write_thumbnail(folder)
    write_shown(folder, [shown(1, 1.0, "cat", shots=4)])
    Image.new("RGB", (300, 100)).save(tmp_path / "a" / "curve.png")
    parsed = rendered(tmp_path / "a")
    assert len(parsed.all("img")) == 6 and len(parsed.all("svg")) == 1
    for image in parsed.all("img"):
        kind, content = (image["src"] or "").split(",")
        assert kind in ("data:image/jpeg;base64", "data:image/png;base64")
        with Image.open(io.BytesIO(base64.b64decode(content))) as opened:
            assert (str(opened.width), str(opened.height)) == (image["width"], image["height"])
    addresses = [
        value or ""
        for _, attributes in parsed.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "action", "data")
    ]
    assert addresses and all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"url\((?!#|\"#)|@import", str(parsed.tags) + parsed.text)
    policy = next(tag["content"] for tag in parsed.all("meta") if "http-equiv" in tag)
    assert policy and policy.startswith("default-src 'none'")


def test_a_prompt_is_told_in_full_with_its_answer(tmp_path):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    write_thumbnail(folder)
    write_shown(folder, [shown(1, 1.0, "cat"), shown(2, 0.3, "")])
    text = rendered(tmp_path / "a").text
    assert "✓ right" in text and "✗ wrong (0.30)" in text
    assert text.count("Question: how many dogs are there? Answer: 1\n") == 2
    assert text.count("Question: what animal is it? Answer:") == 2
    assert "→ cat" in text and "→ (nothing)" in text and "cat ×9 · kitten" in text


def test_a_text_before_the_examples_is_none_of_them(tmp_path):
    folder = write_naming(tmp_path / "a", 2, 2, 40.0)
    write_thumbnail(folder)
    row = shown(1, 1.0, "dax", shots=4)
    write_shown(folder, [row | {"prompt": [{"text": "Answer with dax or fep.\n"}, *row["prompt"]]}])
    parsed = rendered(tmp_path / "a")
    assert "4 examples before the query" in parsed.text
    assert [image["alt"] for image in parsed.all("img")] == [f"image {n} of the prompt" for n in range(1, 6)]


def test_candidates_are_told_likeliest_first(tmp_path):
    folder = write_naming(tmp_path / "a", 2, 1, 40.0)
    write_thumbnail(folder)
    write_shown(folder, [shown(1, 1.0, "wug")])
    record = {"id": "q/1", "text": "wug", "candidates": [" fep", " wug"], "values": [-3.25, -1.5]}
    (folder / "predictions.jsonl").write_text(json.dumps(record) + "\n")
    assert "chosen among: wug (-1.50) · fep (-3.25)" in rendered(tmp_path / "a").text


def test_right_and_wrong_ones_of_the_largest_setting_with_pictures(tmp_path):
    run = tmp_path / "a"
    for ways, inner_shots in ((2, 5), (5, 3), (5, 1)):
        folder = write_naming(run, ways, inner_shots, 40.0)
        if (ways, inner_shots) == (5, 3):
            write_thumbnail(folder)
            rows = [shown(n, float(n % 2), "dax") for n in range(12)]
            write_shown(folder, rows)
            said = ["dax"] * 3 + ["perpo"] * 2 + ["a cat"]
            (folder / "predictions.jsonl").write_text(
                "".join(json.dumps({"text": text}) + "\n" for text in said)
            )
        else:
            write_shown(folder, [])
    write_naming(run, 5, 5, 40.0)  # without pictures
    gallery = gallery_of(read_runs([run])[0], "open_ended")
    assert gallery.detail == "5-way, induction, 3 inner-shots, 0 repeats, seeing"
    assert [answer.right for answer in gallery.answers] == [1.0] * EACH + [0.0] * EACH
    assert gallery.most_said == (("dax", 0.5), ("perpo", pytest.approx(1 / 3)))
    assert "said most: “dax” 50.0 %, “perpo” 33.3 %" in rendered(run).text


def test_the_seeing_view_is_shown_before_longer_prompts(tmp_path):
    for shots, view in ((0, "seeing"), (4, "text-only")):
        folder = write_vqa(tmp_path / "a", shots, 30.0, view=view)
        write_shown(folder, [shown(1, 1.0, view)])
    assert gallery_of(read_runs([tmp_path / "a"])[0], "vqa_v2").answers[0].text == "seeing"


def test_captions_are_neither_right_nor_wrong(tmp_path):
    folder = write_score(tmp_path / "a", "captions", {"CIDEr": 0.4})
    write_thumbnail(folder)
    write_shown(folder, [shown(1, None, "a cat on a mat", shots=0)])
    text = rendered(tmp_path / "a").text
    assert "→ a cat on a mat" in text and "✓" not in text and "✗" not in text


@pytest.mark.parametrize("kind", ["missing", "broken", "outside", "nul"])
def test_images_that_are_none_are_said(tmp_path, kind):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    (folder / "shown").mkdir()
    name = {"outside": "../../../secret.jpg", "nul": "shown/\0.jpg"}.get(kind, "shown/0.jpg")
    if kind == "broken":
        (folder / name).write_text("hello")
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.jpg")
    write_shown(folder, [shown(1, 1.0, "cat", image=name)])
    parsed = rendered(tmp_path / "a")
    assert parsed.all("img") == [] and parsed.text.count("image missing: ") == 2


@pytest.mark.parametrize("content", ["{", "[3]", '[{"id": 1}]', '[{"id": 1, "prompt": [{}], "text": ""}]'])
def test_a_bad_file_of_answers_is_said_in_one_line(tmp_path, content):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    (folder / "shown.json").write_text(content)
    with pytest.raises(UserError, match=r"shown.json: not ") as error:
        rendered(tmp_path / "a")
    assert "\n" not in str(error.value)


def test_provenances_and_differences_are_told(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0, seed=3)
    write_vqa(tmp_path / "b", 4, 30.0, seed=3, provenance={"precision": "fp32", "versions": {"torch": "1"}})
    text = " ".join(rendered(tmp_path / "a", tmp_path / "b").text.split())
    assert "Not comparable: precision differs in vqa_v2: bf16 in a; fp32 in b" in text
    assert "1 minor difference, of versions or batch size versions.torch differs" in text
    assert "What each of the 2 scores depends on" in text and "setting.seed3" in text
    assert "template.query{image}Question: {question} Answer:" in text
    assert "aSmolLM2-135M-Instruct · EfficientNet-Lite0, k = 4 · 1,500 steps · bf16" in text


def test_no_shorthand_of_how_demonstrations_are_chosen(tmp_path):
    similar = {"shots": 4, "demonstrations": "rices"}
    folder = write_vqa(tmp_path / "a", 4, 30.0, setting=similar, provenance=similar)
    write_thumbnail(folder)
    write_shown(folder, [shown(1, 1.0, "cat")])
    text = rendered(tmp_path / "a").text
    assert "rices" not in text and "demonstrations most similar" in text


def test_the_command_prints_first_and_then_writes(tmp_path, capsys):
    for run, value in (("a", 30.0), ("b", 31.0)):
        write_vqa(tmp_path / run, 4, value)
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "30.0 [27.0, 33.0]" in out and "answer_type" not in out and "report:" not in out
    where = tmp_path / "new" / "out"
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--all", "--out", str(where)]) == 0
    out = capsys.readouterr().out
    assert "answer_type/number" in out and out.rstrip().endswith("report.html")
    assert sorted(path.name for path in where.iterdir()) == [
        "report.html",
        "report.md",
        "scores.csv",
        "tables.tex",
    ]
    assert "31.0" in (where / "report.md").read_text()


def test_the_command_shows_what_is_chosen(tmp_path, capsys):
    write_vqa(tmp_path / "a", 4, 30.0, partial=True)
    write_vqa(tmp_path / "a", 4, 22.0, view="text-only")
    write_score(tmp_path / "b", "coco", {"CIDEr": 0.4})
    runs = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert (
        main(["report", *runs, "--only", "vqa_v2", "--views", "seeing", "--out", str(tmp_path / "out")]) == 0
    )
    said = capsys.readouterr()
    assert "30.0*" in said.out and "22.0" not in said.out and "CIDEr" not in said.out
    assert "* a part of the queries only" in said.out
    assert f"{tmp_path / 'b'}: left out" in said.err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "vqa_v2" in page and "coco" not in page
    assert main(["report", *runs, "--only", "nothing"]) == 2
    assert "there are coco, vqa_v2" in one_line(capsys.readouterr().err)


def test_the_command_puts_no_unlike_seeds_side_by_side(tmp_path, capsys):
    for run, seed in (("a", 0), ("b", 1)):
        facts = {"shots": 2, "seed": seed}
        write_score(tmp_path / run, "x-2shot", {"overall": 30.0 + seed}, benchmark="x", setting=facts)
    write_score(
        tmp_path / "b", "x-2shot-seed0", {"overall": 40.0}, benchmark="x", setting={"shots": 2, "seed": 0}
    )
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "overall" in line]
    assert [("30.0" in line, "31.0" in line, "40.0" in line) for line in lines] == [
        (True, False, True),
        (False, True, False),
    ]


def test_the_command_puts_a_blind_run_beside_a_seeing_one(tmp_path, capsys):
    write_vqa(tmp_path / "a", 4, 30.0)
    write_vqa(tmp_path / "b", 4, 31.0, provenance={"blind": True})
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "30.0" in line)
    assert "31.0" in line and "vqa_v2-4shot-seed0 overall" in line


def test_bad_input_to_the_command(tmp_path, capsys):
    assert main(["report", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "no scores there" in one_line(capsys.readouterr().err)
    write_vqa(tmp_path / "a", 4, 30.0)
    (tmp_path / "file").write_text("")
    assert main(["report", str(tmp_path / "a"), "--out", str(tmp_path / "file")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "file is a file; name a folder" in one_line(said.err)
