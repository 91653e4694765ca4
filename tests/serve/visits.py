"""Visits to a page in a real browser."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

from frozenvl.cli import main

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

    def copy_image(self, file: Path) -> None:
        """Puts a picture into the clipboard."""
        self.page.evaluate(
            "async text => { const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));"
            " const blob = new Blob([bytes], {type: 'image/png'});"
            " await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]) }",
            base64.b64encode(file.read_bytes()).decode(),
        )

    def say(self, message: str) -> None:
        """Says a message in the conversation."""
        box = self.page.locator("#message textarea")
        box.fill(message)
        box.press("Enter")

    def open(self, tab: str) -> None:
        """Opens a tab, and waits: just after it is shown, Gradio resets its text boxes once, without an event."""
        self.page.get_by_role("tab", name=tab).click()
        self.page.wait_for_timeout(1000)

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


def printed(capsys, *command: object) -> str:
    """Returns what the command prints."""
    capsys.readouterr()
    assert main([str(word) for word in command]) == 0
    return capsys.readouterr().out.rstrip("\n")
