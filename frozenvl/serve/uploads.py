"""Pictures that come in through the page: checked, and named without any path of the server."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image

from frozenvl.data.shots_file import stored
from frozenvl.prompt import Image, ImageFile, StoredImage
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    import gradio as gr

MAX_UPLOAD_BYTES = 32 * 2**20
"""Largest file that can be uploaded."""
MAX_UPLOAD_PIXELS = 64_000_000
"""Largest picture that can be uploaded; it takes 190 MB when decoded."""
THUMBNAIL = 256
"""Side of the pictures that a gallery shows, in pixels."""

PASTE = """() => document.addEventListener("paste", event => {
  const file = [...event.clipboardData.files].find(file => file.type.startsWith("image/"));
  const typing = event.target.matches("input, textarea") && event.clipboardData.getData("text");
  if (!file || typing || event.target.closest("#message")) return;
  const place = event.target.closest("[id^=shot-]") ?? document.querySelector("#image");
  const dropped = new DataTransfer();
  dropped.items.add(file);
  event.preventDefault();
  place.querySelector("div.upload-container").dispatchEvent(new DragEvent("drop", {dataTransfer: dropped}));
})"""
"""Script of the page: Ctrl+V puts a picture where it would be dropped, into the few-shot example that has the focus or
else into the image. Gradio only has a button, which browsers block on other machines than this one without HTTPS."""


class Uploads:
    """Pictures of a page.

    Args:
        folder: folder that the page may show files of; it is temporary.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Path] = {}

    def image(self, path: str | None) -> StoredImage:
        """Reads a picture that was uploaded or adopted.

        Raises:
            UserError: if there is none, it is too large, or it is no image.
        """
        if not path:
            raise UserError("there is no image; drop one, paste one, or choose an example")
        file = Path(path)
        return checked(file.name, file.read_bytes())

    def adopt(self, file: Path) -> str:
        """Copies a picture of the server into the folder, so that the page can show it. Returns the copy."""
        data = file.read_bytes()
        self._files[stored(file.name, data).digest] = file
        return self.keep(file.name, data)

    def keep(self, name: str, data: bytes) -> str:
        """Writes a picture into the folder, so that the page can show it. Returns the file."""
        file = Path(tempfile.mkdtemp(dir=self.folder)) / (Path(name).name or "image")
        file.write_bytes(data)
        return str(file)

    def file_of(self, image: Image) -> Path:
        """Returns the file of a picture: the server's if it was adopted, else its name, for the user to find."""
        return self._files.get(image.digest, Path(image.name))


def checked(name: str, data: bytes) -> StoredImage:
    """Returns a picture that can be read.

    Raises:
        UserError: if it has too many pixels, or is no image.
    """
    image = stored(name, data)
    try:
        with PIL.Image.open(io.BytesIO(data)) as header:
            pixels = header.width * header.height
    except PIL.Image.DecompressionBombError:
        pixels = MAX_UPLOAD_PIXELS + 1
    except Exception:  # `read` says what is wrong
        pixels = 0
    if pixels > MAX_UPLOAD_PIXELS:
        raise UserError(f"{name}: more than {MAX_UPLOAD_PIXELS // 10**6} megapixels; make it smaller")
    image.read()
    return image


def thumbnail(file: Path) -> PIL.Image.Image:
    """Returns a small copy of a picture, so that the page never names the file itself."""
    small = ImageFile(file).read(THUMBNAIL).copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return small


def picture(label: str, **options: Any) -> gr.Image:
    """Returns an image component whose value is the file as it came, unread."""
    import gradio as gr

    component: Any = gr.Image(
        label=label,
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        buttons=[],
        alt_text=label,
        **options,
    )
    # Gradio would open the file before any handler of ours: of a huge image or of none, it makes a traceback.
    component.preprocess = lambda payload: payload and payload.path
    return component
