"""The provenance of a score: everything it depends on, recorded with it so that it can be reproduced."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from frozenvl.evaluation.query import Query
from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.imaging import BACKGROUND

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL

LIBRARIES = ("frozenvl", "torch", "transformers", "timm", "pillow")
"""Distributions whose versions are recorded."""


def of_model(
    model: FrozenVL,
    trained_weights: str,
    precision: str,
    blind: bool,
    scaled_decoding: bool,
    batch_size: int,
) -> dict[str, Any]:
    """Returns the provenance of a model: parts, trained weights, precision, image reading and library versions.

    Args:
        trained_weights: fingerprint of the trained weights.
        precision: dtype of the arithmetic, `bf16` or `fp32`.
        blind: whether every image is black, in training too.
        scaled_decoding: whether images are decoded at a reduced size.
        batch_size: number of queries in an evaluation batch.
    """
    return {
        "blind": blind,
        "scaled_decoding": scaled_decoding,
        "background": BACKGROUND,
        "model": model.identity(),
        "end_tokens": sorted(model.language.end_tokens),
        "trained_weights": trained_weights,
        "precision": precision,
        "eval_batch_size": batch_size,
        "versions": {name: version(name) for name in LIBRARIES},
    }


def of_loop(module: Any, data: Any) -> dict[str, Any]:
    """Returns the provenance of a run under Lightning, from its module and data module.

    Args:
        module: a `FrozenModule`, typed as Any because this file does not import Lightning.
        data: a `FrozenData`.
    """
    weights = module.trained_fingerprint()
    return of_model(
        module.model, weights, module.precision, data.blind, data.scaled_decoding, data.eval_batch_size
    )


def of_frames(queries: Sequence[Query]) -> dict[str, Any]:
    """Returns how the frames of the queries' videos are sampled and decoded; nothing if no query has a video."""
    images = (part for query in queries for part in query.prompt if isinstance(part, Image))
    rules = sorted({image.sampled_by for image in images} - {""})
    return {"frames": "; ".join(rules), "decoder": f"av {version('av')}"} if rules else {}


def fingerprint(provenance: dict[str, Any], queries: Sequence[Query]) -> str:
    """Returns a hash of everything that predictions depend on: provenance, prompts, image contents, candidates."""
    digest = hashlib.sha256(json.dumps(provenance, sort_keys=True, default=str).encode())
    for query in queries:
        parts = [
            {"image": content_of(part)}
            if isinstance(part, Image)
            else part
            if isinstance(part, str)
            else repr(part)
            for part in query.prompt
        ]
        digest.update(json.dumps([query.id, parts, query.candidates]).encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=2**17)
def content_of(image: Image) -> str:
    """Returns the hash of an image's content; "unreadable" if it cannot be read."""
    try:
        return image.digest
    except UnreadableImage:
        return "unreadable"
