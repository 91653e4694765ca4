"""The page of `frozenvl serve`, in a real browser."""

from __future__ import annotations

import shlex
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import PIL.Image
from visits import QUESTION, Visit, printed, until

from frozenvl.data.shots_file import read_shots
from frozenvl.prompt import ImageFile
from frozenvl.serve.examples import examples_of


def copied(visit: Visit) -> list[str]:
    """Returns the commands and the programs that the page shows to copy, model by model."""
    codes = visit.page.locator(".cm-content")
    return [
        "\n".join(codes.nth(place).locator(".cm-line").all_inner_texts()) for place in range(codes.count())
    ]


def test_nothing_comes_from_another_server(visit, address):
    places = {urlsplit(url).netloc for url in visit.urls if not url.startswith(("data:", "blob:"))}
    assert places == {urlsplit(address).netloc} and len(visit.urls) > 10
    assert visit.complaints == []
    policy = "default-src 'self'"
    assert policy in urllib.request.urlopen(address).headers["content-security-policy"]


def test_a_question_gets_the_answers_of_ask_and_the_texts_to_copy_give_them_too(
    visit, tiny_run, headed_run, photos, capsys, monkeypatch
):
    visit.upload(photos / "0.png")
    visit.page.get_by_label("Question", exact=True).fill(QUESTION)
    visit.button("Ask").click()
    command = (photos / "0.png", QUESTION, "--max_new_tokens", 32)
    answers = [printed(capsys, "ask", run, *command) for run in (tiny_run, headed_run)]
    until(lambda: visit.answers() == answers)
    visit.page.get_by_text("Copy as command or Python").click()
    visit.page.locator(".cm-content").nth(3).wait_for()
    texts = copied(visit)
    monkeypatch.chdir(photos)
    for place, answer in enumerate(answers):
        words = shlex.split(texts[2 * place])
        assert words[0] == "frozenvl" and printed(capsys, *words[1:]) == answer
        exec(compile(texts[2 * place + 1], "copied.py", "exec"), {})
        assert capsys.readouterr().out == answer + "\n"


def test_a_caption_gets_the_words_of_caption_and_its_prompt_is_shown(visit, tiny_run, photos, capsys):
    visit.upload(photos / "1.png")
    visit.button("Caption").click()
    caption = printed(capsys, "caption", tiny_run, photos / "1.png").split("\t", 1)[1]
    until(lambda: visit.answers()[0] == caption)
    visit.page.get_by_text("Exact prompt and tokens").click()
    prompt = visit.page.locator(".prompt").first
    prompt.wait_for()
    assert "1.png × 2" in prompt.inner_text()


def test_a_picture_is_pasted_by_the_button_and_by_the_keys(visit, tiny_run, photos, capsys):
    page, question = visit.page, visit.page.get_by_label("Question", exact=True)
    question.fill("")
    visit.upload(photos / "0.png")
    page.get_by_label("Remove Image").click()

    def captioned(number: int) -> bool:
        file = photos / f"{number}.png"
        visit.button("Caption").click()
        expected = printed(capsys, "caption", tiny_run, file).split("\t", 1)[1]
        until(lambda: visit.answers()[0] not in ("", "…"))
        return visit.answers()[0] == expected

    def pasted(number: int, paste: Callable[[], None]) -> None:
        shown = page.locator("#image img")
        before = shown.get_attribute("src") if shown.count() else ""
        visit.copy_image(photos / f"{number}.png")
        paste()
        until(lambda: shown.count() == 1 and shown.get_attribute("src") != before)

    pasted(1, page.locator("#image").get_by_label("Paste from clipboard").click)
    assert captioned(1)
    page.evaluate("document.activeElement.blur()")
    pasted(2, lambda: page.keyboard.press("Control+v"))
    assert captioned(2)
    pasted(3, lambda: question.press("Control+v"))
    assert captioned(3) and question.input_value() == ""
    page.evaluate("navigator.clipboard.writeText('Is it red?')")
    question.press("Control+v")
    assert question.input_value() == "Is it red?"


def test_a_picture_is_pasted_into_the_example_that_has_the_focus_and_into_the_message(visit, photos):
    page = visit.page
    visit.upload(photos / "0.png")
    shown = page.locator("#image img").get_attribute("src")
    page.get_by_text("Few-shot examples", exact=True).click()
    visit.button("Add an example").click()
    visit.copy_image(photos / "1.png")
    page.get_by_label("Answer or caption 1", exact=True).press("Control+v")
    page.locator("#shot-1 img").wait_for()
    visit.button("Remove all").click()
    page.locator("#shot-1").wait_for(state="hidden")
    page.get_by_text("Few-shot examples", exact=True).click()
    visit.open("Chat")
    page.locator("#message textarea").press("Control+v")
    page.locator("#message img").wait_for()
    assert page.locator("#image img").get_attribute("src") == shown
    page.locator("#message").get_by_label("Remove").first.click()
    visit.open("Answer")


def test_a_click_on_an_example_fills_in_its_image_and_its_question(visit, tiny_run, capsys):
    page, examples = visit.page, examples_of(tiny_run)
    place, example = next((place, one) for place, one in enumerate(examples) if one.question)
    page.locator("#examples button:has(.caption-label)").nth(place).click()
    question, note = page.get_by_label("Question", exact=True), page.locator("#references")
    until(lambda: question.input_value() == example.question)
    until(lambda: note.inner_text().strip() == f"Reference: {', '.join(example.references)}")
    visit.button("Ask").click()
    options = ("--max_new_tokens", 32)
    expected = printed(capsys, "ask", tiny_run, example.file, example.question, *options)
    until(lambda: visit.answers()[0] == expected)
    question.press("?")
    until(lambda: not note.is_visible() or not note.inner_text().strip())


def test_few_shot_examples_are_reordered_saved_loaded_and_taken_by_ask(
    visit, tiny_run, photos, capsys, tmp_path, monkeypatch
):
    page = visit.page
    page.get_by_text("Few-shot examples", exact=True).click()
    for number in (1, 2):
        visit.button("Add an example").click()
        page.get_by_label(f"Question {number}", exact=True).fill(f"What is {number}?")
        page.get_by_label(f"Answer or caption {number}", exact=True).fill(f"answer {number}")
        page.locator(f"#shot-{number} input[type=file]").set_input_files(photos / f"{number}.png")
        page.locator(f"#shot-{number} img").wait_for()
    page.locator("#shot-2").get_by_role("button", name="Up", exact=True).click()
    first = page.get_by_label("Question 1", exact=True)
    until(lambda: first.input_value() == "What is 2?")
    with page.expect_download() as download:
        visit.button("Save as YAML").click()
    monkeypatch.chdir(tmp_path)
    download.value.save_as("shots.yaml")
    shots = read_shots(Path("shots.yaml")).examples
    assert [(shot.question, shot.answer) for shot in shots] == [
        (f"What is {number}?", f"answer {number}") for number in (2, 1)
    ]
    assert [shot.image.digest for shot in shots] == [
        ImageFile(photos / f"{number}.png").digest for number in (2, 1)
    ]
    visit.upload(photos / "0.png")
    page.get_by_label("Question", exact=True).fill(QUESTION)
    visit.button("Ask").click()
    options = ("--shots", "shots.yaml", "--max_new_tokens", 32)
    expected = printed(capsys, "ask", tiny_run, photos / "0.png", QUESTION, *options)
    until(lambda: visit.answers()[0] == expected)
    assert expected != printed(capsys, "ask", tiny_run, photos / "0.png", QUESTION, *options[2:])
    visit.button("Remove all").click()
    until(lambda: not page.locator("#shot-1").is_visible())
    page.locator("input[type=file][accept*=yaml]").set_input_files("shots.yaml")
    page.locator("#shot-2 img").wait_for()
    visit.upload(photos / "1.png")
    visit.button("Ask").click()
    expected = printed(capsys, "ask", tiny_run, photos / "1.png", QUESTION, *options)
    until(lambda: visit.answers()[0] == expected)
    visit.button("Remove all").click()
    until(lambda: not page.locator("#shot-1").is_visible())


def test_candidates_are_ranked_with_probabilities(visit, photos):
    visit.upload(photos / "0.png")
    visit.open("Candidates")
    visit.page.locator("#candidates textarea").fill("yes\nno\nblue")
    visit.button("Rank the candidates").click()
    table = visit.page.locator(".bars").first
    table.wait_for()
    rows = table.inner_text().split("\n")
    assert {*rows[::2]} == {"yes", "no", "blue"}
    shares = [float(text.removesuffix("%")) for text in rows[1::2]]
    assert shares == sorted(shares, reverse=True) and abs(sum(shares) - 100) < 0.2


def test_pictures_of_a_folder_are_found_and_taken_as_the_image(visit, headed_run, photos, capsys):
    visit.open("Search")
    visit.page.get_by_label("Search for").fill("a red circle")
    visit.button("Search").click()
    names = visit.page.locator(".caption-label:visible")
    lines = printed(capsys, "retrieve", headed_run, "a red circle", "--images", photos).splitlines()
    found = [Path(line.split("\t")[2]).name for line in lines]
    until(lambda: [text.split()[-1] for text in names.all_inner_texts()][: len(found)] == found)
    visit.page.locator("button:has(.caption-label):visible").nth(1).click()
    until(lambda: (visit.page.locator("#image img").get_attribute("src") or "").endswith(found[1]))
    until(lambda: visit.answers() == ["", ""])  # they go once the page knows of the new image
    visit.button("Caption").click()
    expected = printed(capsys, "caption", headed_run, photos / found[1]).split("\t", 1)[1]
    until(lambda: visit.answers()[1] == expected)


def test_an_answer_is_explained(visit, photos):
    visit.upload(photos / "0.png")
    visit.open("Explain")
    visit.page.get_by_label("Text to explain").fill("blue")
    visit.button("Explain").click()
    visit.page.locator(".maps img").nth(1).wait_for()


def test_wrong_uploads_are_one_line(visit, tmp_path):
    text, huge = tmp_path / "text.png", tmp_path / "huge.png"
    text.write_text("no image")
    PIL.Image.new("1", (20_000, 10_000)).save(huge)
    for file, line in (
        (text, "text.png: not a readable image (cannot identify image file); remove or replace it"),
        (huge, "huge.png: more than 64 megapixels; make it smaller"),
    ):
        visit.page.locator("#image input[type=file]").set_input_files(file)
        visit.page.wait_for_timeout(300)
        visit.button("Caption").click()
        assert line in visit.error()
    assert "Traceback" not in visit.page.content()


def test_a_phone_shows_everything_without_scrolling_sideways(address, chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    visit = Visit(context.new_page(), address)
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 390
    for locator in (visit.button("Ask"), visit.button("Caption"), visit.page.locator("#image")):
        box = locator.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    context.close()


def test_the_keyboard_is_enough(address, chromium, photos):
    context = chromium.new_context()
    visit = Visit(context.new_page(), address)
    visit.upload(photos / "0.png")
    page, focused = visit.page, lambda: page.evaluate("document.activeElement.closest('[id]').id")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('#question')"):
            break
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    until(lambda: all(text and text != "…" for text in visit.answers()))
    page.keyboard.press("Tab")
    assert focused() == "ask"
    context.close()
