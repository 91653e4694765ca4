"""Fingerprint of the references that a score was computed against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence


def digest(references: Mapping[str, Sequence[str]]) -> str:
    """Returns a hash (16 hex digits) of references by id. It does not depend on the order of ids."""
    hashed = hashlib.sha256()
    for row, key in enumerate(sorted(references)):  # piece by piece: the text of all is large
        text = json.dumps([key, list(references[key])], ensure_ascii=False)
        hashed.update(f"{', ' if row else '['}{text}".encode())
    hashed.update(b"]" if references else b"[]")
    return hashed.hexdigest()[:16]
