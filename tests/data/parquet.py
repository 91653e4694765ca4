"""Parquet files with images, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from tars import picture


def images(*numbers: int | None, name: str = "{}.jpg") -> list[dict[str, Any] | None]:
    """Makes images as the hub has them, each of its own colour; None where there is none."""
    return [None if n is None else {"bytes": picture(n), "path": name.format(n)} for n in numbers]


def write_parquet(path: Path, **columns: Any) -> Path:
    """Writes a Parquet file with rows in groups of two; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(pa.table(columns), path, row_group_size=2)
    return path
