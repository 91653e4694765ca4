"""Precomputed features from a file, in place of an encoder. No encoder runs, and no image is decoded."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from frozenvl.model.batch import Stage
from frozenvl.model.processor import ImageReader
from frozenvl.model.vision.encoder import VisionEncoder
from frozenvl.model.vision.finite import refuse_not_finite
from frozenvl.prompt import BlackImage, Image
from frozenvl.util.errors import UnreadableImage, UserError


class Precomputed(VisionEncoder):
    """Precomputed features, looked up by image name in one memory-mapped file.

    Args:
        features: .npy file, or .safetensors file with one tensor: (images, tokens, channels) or (images, channels).
        names: text file with one image name per row of features. A name is the file name, with or without its suffix
            and with as much of its path as makes it unique. `black` is the row of the black image for blind models.

    Raises:
        UserError: if a file cannot be read, or the two do not match.
    """

    def __init__(self, features: Path, names: Path) -> None:
        super().__init__()
        rows = read_features(features)
        self.rows = rows[:, None] if rows.dim() == 2 else rows
        if self.rows.dim() != 3 or not self.rows.is_floating_point():
            shape = " × ".join(map(str, rows.shape))
            raise UserError(
                f"{features}: {rows.dtype} of {shape}; it takes floating-point (images, tokens, channels)"
            )
        row_names = read_names(names)
        if len(row_names) != len(self.rows):
            raise UserError(
                f"{names}: {len(row_names)} names for {len(self.rows)} rows of {features}; a line for each"
            )
        self.where = {name: row for row, name in enumerate(row_names)}
        if len(self.where) < len(row_names):
            duplicate = next(name for row, name in enumerate(row_names) if self.where[name] != row)
            raise UserError(f"{names}: {duplicate!r} stands there twice; name images by more of their path")
        self.name, self.trainable = str(features), False
        self.tokens, self.channels = self.rows.shape[1:]
        sample = self.rows[:: max(1, len(row_names) // 1024), 0][:1024].float()
        facts = f"{self.rows.dtype} {tuple(self.rows.shape)} {row_names}".encode() + sample.numpy().tobytes()
        self.fingerprint = hashlib.sha256(facts).hexdigest()[:32]
        self.model = nn.Identity()

    def reader(self, scaled: bool = True) -> ImageReader:
        return Rows(self)


class Rows:
    """Image reader that looks features up by the image's name."""

    stage: Stage = "features"

    def __init__(self, of: Precomputed) -> None:
        self.of = of

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Returns the features (N, tokens, channels).

        Raises:
            UnreadableImage: if an image has no features, or they hold NaN or infinity.
            UserError: if the black image has no features: its row was forgotten.
        """
        rows = self.of.rows[[self._row(image) for image in images]]
        refuse_not_finite(rows, images, self.of.name)
        return rows

    def _row(self, image: Image) -> int:
        where = self.of.where
        row = next((where[name] for name in names_of(image) if name in where), None)
        if row is None and isinstance(image, BlackImage):
            raise UserError(
                f"{self.of.name}: has no row named {image.name!r}, the features of a black image, and there is no "
                "encoder to compute it; add one"
            )
        if row is None:
            raise UnreadableImage(
                f"{image.name}: {self.of.name} has no features of that name, and there is no encoder to compute them",
                image,
            )
        return row


def names_of(image: Image) -> Iterator[str]:
    """Yields the names by which a file may list an image, the most specific first."""
    parts = PurePath(image.key).as_posix().split("/")
    yield from ("/".join(parts[start:]) for start in range(len(parts)))
    yield image.name
    yield PurePath(image.name).stem


def read_features(path: Path) -> Tensor:
    """Returns the memory-mapped array of a .npy or .safetensors file.

    Raises:
        UserError: if the file cannot be read, or does not hold one array.
    """
    if path.suffix not in (".npy", ".safetensors"):
        raise UserError(f"{path}: features are read from .npy and .safetensors")
    try:
        if path.suffix == ".npy":
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", message="The given NumPy array is not writable"
                )  # it is never written to
                return torch.from_numpy(np.load(path, mmap_mode="r"))
        with safe_open(path, framework="pt") as file:
            (name,) = file.keys()
            return file.get_tensor(name)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (EOFError, ValueError, TypeError, SafetensorError) as error:
        raise UserError(f"{path}: not one array ({' '.join(str(error).split())[:200]})") from None


def read_names(path: Path) -> list[str]:
    """Returns the lines of a text file."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
