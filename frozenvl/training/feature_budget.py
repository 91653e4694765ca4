"""Size of a run's feature cache: what its images need, and what the disk or `model.feature_cache_gb` allows."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from frozenvl.util.errors import UserError

SHARE = 0.2
"""Share of the free disk that a feature cache may take by default."""


@dataclass(frozen=True)
class FeatureBudget:
    """Size that the features of a run's images need, and the size that their cache may have. All sizes are bytes."""

    images: int
    """Number of distinct images, or an upper bound."""
    row: int
    """Size of one image's features."""
    limit: int
    """Maximal size of the cache."""

    @property
    def needed(self) -> int:
        """Size of the features of all images."""
        return self.images * self.row

    @property
    def beyond(self) -> int:
        """Number of images whose features do not fit, if the cache holds no others."""
        return max(0, self.images - self.limit // self.row)

    def __str__(self) -> str:
        beyond = f", so {self.beyond:,} images are encoded each time they are read" if self.beyond else ""
        return (
            f"features of {self.images:,} images × {self.row:,} bytes = {gigabytes(self.needed)}; their cache may take "
            f"{gigabytes(self.limit)} (model.feature_cache_gb){beyond}"
        )

    def check_all_fit(self, reader: str) -> None:
        """Checks that the features of all images fit.

        Args:
            reader: what reads all of them before the first step, for the message.

        Raises:
            UserError: if they do not.
        """
        if self.beyond:
            raise UserError(
                f"{reader} reads the features of all {self.images:,} images before the first step: "
                f"{gigabytes(self.needed)}, but their cache may take {gigabytes(self.limit)}; raise "
                "model.feature_cache_gb, or leave the head or its standardize out"
            )


def size_limit(wanted: float | None, folder: Path) -> int:
    """Returns the maximal size of a feature cache in bytes: what is wanted, or a share of the free disk.

    Args:
        wanted: size in GB (10⁹ bytes); None for what is stored and `SHARE` of the free disk.
        folder: folder of the cache, which may not exist yet.

    Raises:
        UserError: if the wanted size is negative, or the disk has less room.
    """
    if wanted is not None and wanted < 0:
        raise UserError(f"model.feature_cache_gb is {wanted:g}; give 0 (store no features) or more")
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    if wanted is None:
        return stored + int(SHARE * free)
    limit = int(wanted * 1e9)
    if limit > stored + free:
        raise UserError(
            f"model.feature_cache_gb is {wanted:g}, but {folder.parent} has room for {gigabytes(stored + free)}; lower "
            "it, or free some space"
        )
    return limit


def gigabytes(size: float) -> str:
    """Formats bytes as GB (10⁹ bytes) or, below 0.1 GB, as MB."""
    value, unit = (size / 1e9, "GB") if size >= 1e8 else (size / 1e6, "MB")
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"
