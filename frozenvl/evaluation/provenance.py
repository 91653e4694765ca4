"""What a score depends on, kept beside it: without it no number can be reproduced."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from frozenvl.evaluation.query import Query
from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage

LIBRARIES = ("frozenvl", "torch", "transformers", "timm", "pillow")


def of_run(module: Any, blind: bool, scaled_decoding: bool, batch_size: int) -> dict[str, Any]:
    """The model, how it runs, how images are read, versions.

    Args:
        module: a FrozenModule; this file knows nothing of Lightning.
        blind: whether every image is black, in training as well.
    """
    return {
        "blind": blind,
        "scaled_decoding": scaled_decoding,
        "model": module.model.identity(),
        "trained_weights": module.trained_fingerprint(),
        "precision": module.precision,
        "eval_batch_size": batch_size,
        "versions": {name: version(name) for name in LIBRARIES},
    }


def of_loop(module: Any, data: Any) -> dict[str, Any]:
    """`of_run` of a module on the data module of its Trainer."""
    return of_run(module, data.blind, data.scaled_decoding, data.eval_batch_size)


def fingerprint(provenance: dict[str, Any], queries: Sequence[Query]) -> str:
    """Hash of all that predictions depend on."""
    digest = hashlib.sha256(json.dumps(provenance, sort_keys=True, default=str).encode())
    for query in queries:
        parts = [part if isinstance(part, str) else {"image": content_of(part)} for part in query.prompt]
        digest.update(json.dumps([query.id, parts, query.candidates]).encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=2**17)
def content_of(image: Image) -> str:
    """The hash of an image's content; "unreadable" where it cannot be read."""
    try:
        return image.digest
    except UnreadableImage:
        return "unreadable"
