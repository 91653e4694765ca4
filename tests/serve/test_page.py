"""The page of `frozenvl serve`, in a real browser."""

from __future__ import annotations

import shlex
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import PIL.Image
import pytest

from frozenvl.cli import main
from frozenvl.data.shots_file import read_shots
from frozenvl.prompt import ImageFile
from frozenvl.retrieval.load import load_model

QUESTION = "Is the cross blue?"
SECONDS = 60_000
"""Milliseconds that a slow machine gets for an answer."""


class Visit:
    """A visitor's page, with what is done there again and again."""

    def __init__(self, page, address: str) -> None:
        self.page, self.address = page, address
        self.urls: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.urls.append(request.url))
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.set_default_timeout(SECONDS)
        page.goto(address)
        self.button("Ask").wait_for()

    def button(self, name: str):
        return self.page.get_by_role("button", name=name, exact=True)

    def upload(self, file: Path) -> None:
        self.page.locator("#image input[type=file]").set_input_files(file)
        self.page.locator("#image img").wait_for()

    def answers(self) -> list[str]:
        """Returns the answers that are shown."""
        return [box.input_value() for box in self.page.locator(".answer textarea").all()]

    def error(self) -> str:
        """Returns the error that the page shows, and closes it."""
        toast = self.page.get_by_test_id("toast-body")
        toast.wait_for()
        text = toast.inner_text()
        self.page.get_by_test_id("toast-close").click()
        toast.wait_for(state="detached")
        return text


def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds."""
    end = time.monotonic() + SECONDS / 1000
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def squeezed(text: str) -> str:
    """Returns a text without white space and control characters, which a browser shows as it likes."""
    return "".join(character for character in text if character.isprintable() and not character.isspace())


@pytest.fixture(scope="module")
def visit(address, chromium) -> Iterator[Visit]:
    """A desktop's page that most tests share: they fill in what they need."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield Visit(context.new_page(), address)
    context.close()


def printed(capsys, *command: object) -> str:
    """Returns what the command prints."""
    capsys.readouterr()
    assert main([str(word) for word in command]) == 0
    return capsys.readouterr().out.rstrip("\n")


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


def test_a_reply_comes_word_by_word_and_the_next_message_knows_the_conversation(
    visit, tiny_run, headed_run, photos
):
    visit.upload(photos / "0.png")
    page = visit.page
    page.get_by_role("tab", name="Chat").click()
    page.evaluate(
        "() => { window.seen = []; new MutationObserver(() => {"
        " for (const box of document.querySelectorAll('.chat .bot')) window.seen.push(box.innerText.trim())"
        " }).observe(document.body, {subtree: true, childList: true, characterData: true}) }"
    )
    models = [load_model(run) for run in (tiny_run, headed_run)]
    conversations = [model.chat(processor, max_new_tokens=32) for model, processor, _ in models]
    replies: list[str] = []
    for turn, message in enumerate(((ImageFile(photos / "0.png"), QUESTION), ("What shape is it?",))):
        box = page.locator("#message textarea")
        box.fill(message[-1])
        box.press("Enter")
        for place, conversation in enumerate(conversations):
            expected = squeezed(conversation.say(*message))
            replies.append(expected)
            shown = page.locator(".chat").nth(place).locator(".bot").nth(turn)
            until(lambda shown=shown, expected=expected: squeezed(shown.inner_text()) == expected)
    seen = {squeezed(text) for text in page.evaluate("window.seen")}
    partly = {text for text in seen for reply in replies if text and text != reply and reply.startswith(text)}
    assert len(partly) > 2
    visit.button("Undo").click()
    until(lambda: page.locator(".chat").first.locator(".bot").count() == 1)
    assert page.locator("#message textarea").input_value() == "What shape is it?"
    visit.button("New conversation").click()
    until(lambda: page.locator(".chat .bot").count() == 0)
    page.get_by_role("tab", name="Answer").click()


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
    visit.page.get_by_role("tab", name="Candidates").click()
    visit.page.locator("#candidates textarea").fill("yes\nno\nblue")
    visit.button("Rank the candidates").click()
    table = visit.page.locator(".bars").first
    table.wait_for()
    rows = table.inner_text().split("\n")
    assert {*rows[::2]} == {"yes", "no", "blue"}
    shares = [float(text.removesuffix("%")) for text in rows[1::2]]
    assert shares == sorted(shares, reverse=True) and abs(sum(shares) - 100) < 0.2


def test_pictures_of_a_folder_are_found_and_taken_as_the_image(visit, headed_run, photos, capsys):
    visit.page.get_by_role("tab", name="Search").click()
    visit.page.get_by_label("Search for").fill("a red circle")
    visit.button("Search").click()
    names = visit.page.locator(".caption-label:visible")
    lines = printed(capsys, "retrieve", headed_run, "a red circle", "--images", photos).splitlines()
    found = [Path(line.split("\t")[2]).name for line in lines]
    until(lambda: [text.split()[-1] for text in names.all_inner_texts()][: len(found)] == found)


def test_an_answer_is_explained(visit, photos):
    visit.upload(photos / "0.png")
    visit.page.get_by_role("tab", name="Explain").click()
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
