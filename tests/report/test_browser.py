"""The page in a real browser: it loads offline, has all images, and is as wide as the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PROGRAM, Browser
from PIL import Image
from trees import shown, write_naming, write_score, write_shown, write_thumbnail, write_vqa

from frozenvl.cli import main

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on PATH")

LONG = "a-run-with-quite-a-long-name-that-does-not-end-where-one-would-expect-it"
ANSWERS = """
(() => {
  document.querySelectorAll("details").forEach(one => one.open = true);
  const images = [...document.images];
  const right = document.querySelector(".right .mark"), wrong = document.querySelector(".wrong .mark");
  return {
    width: document.documentElement.scrollWidth,
    window: innerWidth,
    images: images.length,
    broken: images.filter(image => !image.complete || !image.naturalWidth).length,
    stretched: images.filter(image => image.clientWidth > innerWidth).length,
    plots: [...document.querySelectorAll("svg")].filter(svg => svg.getBoundingClientRect().width > 100).length,
    marks: [right.innerText, wrong.innerText],
    ink: getComputedStyle(document.body).color,
    axis: getComputedStyle(document.querySelector("svg text")).fill,
  };
})()
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for run, gain in ((LONG, 5.0), ("b", 0.0)):
        for shots in (0, 1, 4):
            for view in ("seeing", "test-blind", "text-only"):
                folder = write_vqa(root / run, shots, 25.0 + gain + shots, view=view)
        write_thumbnail(folder, size=(160, 20))
        folder = root / run / "evaluation" / "vqa_v2-4shot-seed0"
        write_thumbnail(folder)
        rows = [shown(n, n % 2, "an unbrokenanswer" * (1 + n), shots=12) for n in range(4)]
        write_shown(folder, rows)
        for ways in (2, 5):
            for inner_shots in (1, 3):
                write_naming(root / run, ways, inner_shots, 100 / ways)
        folder = write_score(
            root / run, "captions", {"CIDEr": 0.4}, provenance={"precision": run, "x" * 200: "y" * 900}
        )
        Image.new("RGB", (992, 1200), "#88aacc").save(folder / "gallery.png")
        Image.new("RGB", (1200, 420), "white").save(root / run / "curve.png")
    assert main(["report", str(root / LONG), str(root / "b"), "--out", str(root / "out")]) == 0
    return root / "out" / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_in_a_browser(report, browser, width, dark):
    browser.open(report, width, dark)
    seen = browser.evaluate(ANSWERS)
    assert browser.complaints() == []
    assert [address for address in browser.requests() if not address.startswith("data:")] == [report.as_uri()]
    assert seen["window"] == width and seen["width"] <= width
    assert seen["images"] >= 80 and seen["broken"] == 0 and seen["stretched"] == 0
    assert seen["plots"] == 3
    assert seen["marks"] == ["✓ right", "✗ wrong"]
    light = sum(map(int, seen["ink"].removeprefix("rgb(").rstrip(")").split(","))) > 3 * 128
    assert light == dark and seen["axis"] == seen["ink"]


def test_a_broken_page_makes_the_browser_complain(tmp_path, browser):
    page = tmp_path / "page.html"
    page.write_text('<body style="width: 900px"><img src="missing.png"><script>console.log(1)</script>')
    browser.open(page, 390)
    assert browser.evaluate("document.images[0].naturalWidth") == 0
    assert browser.evaluate("document.documentElement.scrollWidth > innerWidth || innerWidth > 390")
    assert browser.complaints() and any("missing.png" in address for address in browser.requests())
