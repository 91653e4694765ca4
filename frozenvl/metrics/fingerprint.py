"""Fingerprint of the references that a score was computed against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence


def digest(references: Mapping[str, Sequence[str]]) -> str:
    """Returns a hash (16 hex digits) of references by id. It does not depend on the order of ids."""
    rows = json.dumps(sorted((key, list(texts)) for key, texts in references.items()), ensure_ascii=False)
    return hashlib.sha256(rows.encode()).hexdigest()[:16]
