"""Zero-shot classification: probabilities of labels by embeddings, as CLIP does, or by likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from frozenvl.retrieval.embedder import Embedder
from frozenvl.util.errors import UserError

TEMPLATE = "a photo of a {label}."
"""Default wording of a label (CLIP's)."""
SCALE = 100.0
"""Factor of cosines before the softmax (CLIP's), for heads that were trained without a temperature."""


def worded(template: str, label: str) -> str:
    """Fills a label into a template.

    Raises:
        UserError: if the template lacks the field {label}, or has another one.
    """
    text = template.replace("{label}", label)
    if "{label}" not in template or "{" in template.replace("{label}", ""):
        raise UserError(f"--template {template!r}: needs the field {{label}}, and no other field")
    return text


def trained_scale(embedder: Embedder) -> float:
    """Returns the factor of cosines (1 / temperature) that a contrastive objective trained, or CLIP's 100."""
    for objective in embedder.model.objectives.values():
        scale: Any = getattr(objective, "log_scale", None)
        if scale is not None and getattr(objective, "head", None) in (None, embedder.head):
            return float(scale.detach().exp())
    return SCALE


def label_vectors(
    embedder: Embedder,
    labels: Sequence[str],
    templates: Sequence[str] = (TEMPLATE,),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Returns an embedding (labels, dim) of each label, of length 1: the mean over templates, normalised (CLIP).

    Raises:
        UserError: if a template is invalid.
    """
    texts = [worded(template, label) for label in labels for template in templates]
    vectors = embedder.texts(texts, progress).reshape(len(labels), len(templates), -1).mean(1)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Returns probabilities (n, labels) of scores (n, labels), in float64."""
    scores = scores.astype(np.float64)
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
