"""Interface of writers: one example after another into a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from frozenvl.data.writers.image_files import ImageFiles
from frozenvl.prompt import Example


class Writer(ABC):
    """Writes a data set into a folder, in one layout."""

    copies_images: bool = False
    """Whether image files lie beside the annotations."""
    several_images: bool = False
    """Whether an example may show several images, or none."""
    images: ImageFiles | None = None
    """These image files; None if there are none."""

    @abstractmethod
    def __init__(self, folder: Path, link: bool, first: Example) -> None:
        """Begins a data set.

        Args:
            folder: empty folder.
            link: whether image files are hard-linked instead of copied.
            first: first example, which tells questions from captions.
        """

    @abstractmethod
    def add(self, number: int, key: str, example: Example, file: str, data: bytes) -> None:
        """Writes an example.

        Args:
            number: number of the example in its source.
            key: id of the example, unique among the examples.
            example: the example.
            file: file name of its image; empty if it shows none.
            data: encoded bytes of its image; empty if it is one of `images`.
        """

    @abstractmethod
    def finish(self) -> None:
        """Completes the files."""

    @classmethod
    @abstractmethod
    def reader(cls, folder: Path) -> list[str]:
        """Returns the source that reads the folder, with its arguments."""
