"""The HTML page: its content, escaped texts, and no scripts or links to other files."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from trees import shown, write_naming, write_score, write_shown, write_thumbnail, write_vqa

from frozenvl.report.comparability import differences
from frozenvl.report.cost_table import worth
from frozenvl.report.html import page
from frozenvl.report.load import read_runs
from frozenvl.report.tables import benchmark_tables

HOSTILE = "</p><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\"'&{{ 7 * 7 }}"


class Parsed(HTMLParser):
    """Parser that collects tags with their attributes, and the text."""

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
    return Parsed(page(runs, [*benchmark_tables(runs), worth(runs)], *differences(results)))


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


def test_the_page_needs_no_other_files(tmp_path):
    folder = write_vqa(tmp_path / "a", 4, 30.0)
    write_vqa(tmp_path / "a", 0, 28.0)
    write_thumbnail(folder)
    write_shown(folder, [shown(1, 1.0, "cat", shots=4)])
    Image.new("RGB", (300, 100)).save(tmp_path / "a" / "curve.png")
    parsed = rendered(tmp_path / "a")
    assert len(parsed.all("img")) == 6 and len(parsed.all("svg")) == 1 and "Training" in parsed.text
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


def test_an_answer_has_its_full_prompt(tmp_path):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    write_thumbnail(folder)
    write_shown(folder, [shown(1, 1.0, "cat"), shown(2, 0.3, "")])
    text = rendered(tmp_path / "a").text
    assert "✓ right" in text and "✗ wrong (0.30)" in text
    assert text.count("Question: how many dogs are there? Answer: 1\n") == 2
    assert text.count("Question: what animal is it? Answer:") == 2
    assert "→ cat" in text and "→ (nothing)" in text and "cat ×9 · kitten" in text
    assert "Training" not in text  # the run has no curve.png


def test_text_before_the_demonstrations_is_not_counted_as_one(tmp_path):
    folder = write_naming(tmp_path / "a", 2, 2, 40.0)
    write_thumbnail(folder)
    row = shown(1, 1.0, "dax", shots=4)
    write_shown(folder, [row | {"prompt": [{"text": "Answer with dax or fep.\n"}, *row["prompt"]]}])
    parsed = rendered(tmp_path / "a")
    assert "4 demonstrations before the query" in parsed.text
    assert [image["alt"] for image in parsed.all("img")] == [f"image {n} of the prompt" for n in range(1, 6)]


def test_candidates_are_shown_likeliest_first(tmp_path):
    folder = write_naming(tmp_path / "a", 2, 1, 40.0)
    write_thumbnail(folder)
    write_shown(folder, [shown(1, 1.0, "wug")])
    record = {"id": "q/1", "text": "wug", "candidates": [" fep", " wug"], "values": [-3.25, -1.5]}
    (folder / "predictions.jsonl").write_text(json.dumps(record) + "\n")
    assert "candidates and their scores: wug (-1.50) · fep (-3.25)" in rendered(tmp_path / "a").text


def test_most_frequent_answers_are_shown_with_their_share(tmp_path):
    folder = write_naming(tmp_path / "a", 5, 3, 40.0)
    write_shown(folder, [shown(1, 1.0, "dax")])
    said = ["dax"] * 3 + ["perpo"] * 2 + ["a cat"]
    (folder / "predictions.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in said))
    assert "most frequent answers: “dax” 50.0 %, “perpo” 33.3 %" in rendered(tmp_path / "a").text


def test_captions_are_neither_right_nor_wrong(tmp_path):
    folder = write_score(tmp_path / "a", "captions", {"CIDEr": 0.4})
    write_thumbnail(folder)
    write_shown(folder, [shown(1, None, "a cat on a mat", shots=0)])
    text = rendered(tmp_path / "a").text
    assert "→ a cat on a mat" in text and "✓" not in text and "✗" not in text


@pytest.mark.parametrize("kind", ["missing", "broken", "outside", "nul"])
def test_unreadable_images_are_named(tmp_path, kind):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    (folder / "shown").mkdir()
    name = {"outside": "../../../secret.jpg", "nul": "shown/\0.jpg"}.get(kind, "shown/0.jpg")
    if kind == "broken":
        (folder / name).write_text("hello")
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.jpg")
    write_shown(folder, [shown(1, 1.0, "cat", image=name)])
    parsed = rendered(tmp_path / "a")
    assert parsed.all("img") == [] and parsed.text.count("image missing: ") == 2


def test_provenance_and_differences_are_shown(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0, seed=3)
    write_vqa(tmp_path / "b", 4, 30.0, seed=3, provenance={"precision": "fp32", "versions": {"torch": "1"}})
    text = " ".join(rendered(tmp_path / "a", tmp_path / "b").text.split())
    assert "Not comparable: precision differs in vqa_v2: bf16 in a; fp32 in b" in text
    assert "1 minor difference (library versions or batch size) versions.torch differs" in text
    assert "Settings, models and versions of each of the 2 scores" in text and "setting.seed3" in text
    assert "template.query{image}Question: {question} Answer:" in text
    assert "aSmolLM2-135M-Instruct · EfficientNet-Lite0, k = 4 · 1,500 steps · bf16" in text


def test_rices_is_shown_as_most_similar(tmp_path):
    similar = {"shots": 4, "demonstrations": "rices"}
    folder = write_vqa(tmp_path / "a", 4, 30.0, setting=similar, provenance=similar)
    write_thumbnail(folder)
    write_shown(folder, [shown(1, 1.0, "cat")])
    text = rendered(tmp_path / "a").text
    assert "rices" not in text and "demonstrations most similar" in text
