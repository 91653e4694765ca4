"""Digests of images: computed in threads, and those of files remembered on disk."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from frozenvl.model.vision.feature_store import pieces
from frozenvl.prompt import Image, ImageFile
from frozenvl.util.cores import available_cores
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.file_digests import FileDigests, is_settled, key_of

TOGETHER = 64
"""Number of images that a thread hashes at a time."""
KNOWN = b""
"""Stands for the key of a file whose digest is known."""


class RememberedDigests(FileDigests):
    """Digests of images, such as files and what is made of them."""

    def of(self, images: Iterable[Image]) -> dict[Image, str]:
        """Returns the digest of each image that can be read. Those that are not remembered are computed in threads."""
        known: dict[Image, str] = {}
        unknown: dict[Image, bytes | None] = {}
        for image in dict.fromkeys(images):
            key = self._recall(image.origin) if isinstance(image.origin, ImageFile) else None
            if key == KNOWN:
                known[image] = image.digest
            else:
                unknown[image] = key
        size = max(1, min(TOGETHER, len(unknown) // threads()))
        with ThreadPoolExecutor(threads()) as pool:
            for part in pool.map(digests_of, pieces(list(unknown), size)) if unknown else ():
                known.update(part)
                for image in part:
                    if key := unknown[image]:
                        self.remember(key, image.origin.digest)
        self.save_many()
        return known

    def _recall(self, file: ImageFile) -> bytes | None:
        """Sets the digest of a file from memory and returns `KNOWN`; else the key to remember it by, if any."""
        if "digest" in vars(file):
            return KNOWN
        try:
            status = file.path.stat()
        except OSError:
            return None
        key = key_of(file.path, status)
        if (digest := self.find(key)) is not None:
            file.set_digest(digest)
            return KNOWN
        return key if is_settled(status) else None


def digests_of(images: list[Image]) -> dict[Image, str]:
    """Returns the digest of each image that can be read. The others are reported when their samples are loaded."""
    digests = {}
    for image in images:
        with suppress(UnreadableImage):
            digests[image] = image.digest
    return digests


def threads() -> int:
    """Returns the number of threads that read image files at once."""
    return min(16, 2 * available_cores())
