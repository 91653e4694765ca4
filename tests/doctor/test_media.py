"""Checks that images and videos can be decoded."""

from __future__ import annotations

from frozenvl.doctor import media


def test_formats_are_written_and_read():
    (found,) = (found for found in media.images() if found.level == "ok")
    assert {"JPEG", "PNG", "GIF", "BMP", "TIFF"} <= {*found.text.partition("decodes ")[2].split(", ")}


def test_a_format_that_this_pillow_lacks_is_a_warning(monkeypatch):
    monkeypatch.setitem(media.FORMATS, "NO-SUCH", 0)
    *_, found = media.images()
    assert found.level == "warning" and "NO-SUCH" in found.text


def test_a_wrong_colour_is_a_warning(monkeypatch):
    monkeypatch.setattr(media, "FORMATS", {"JPEG": -1, "PNG": 0})
    good, bad = media.images()
    assert good.text.endswith("decodes PNG") and "JPEG" in bad.text


def test_a_clip_is_decoded():
    (found,) = media.videos()
    assert found.level == "ok"
