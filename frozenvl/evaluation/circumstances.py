"""What a score depends on, kept beside it: without it no number can be reproduced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from frozenvl.data.datamodule import FrozenData
from frozenvl.data.tasks import Task
from frozenvl.metrics.fingerprint import digest
from frozenvl.module import FrozenModule

LIBRARIES = ("frozenvl", "torch", "transformers", "timm", "pillow")


def circumstances(
    module: FrozenModule,
    data: FrozenData,
    task: Task,
    max_new_tokens: int,
    decoding: Mapping[str, Any],
    records: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Wording, decoding, stop rule, references, model and versions."""
    return {
        "template": asdict(task.template),
        "decoding": dict(decoding) or "greedy",
        "ends": f"at the end token, at one of {list(task.template.stop)!r}, or after {max_new_tokens} tokens",
        "references": digest({key: record["references"] for key, record in records.items()}),
        "blind": data.blind,
        "scaled_decoding": data.scaled_decoding,
        "model": module.identity(),
        "trained_weights": module.trained_fingerprint(),
        "precision": module.precision,
        "eval_batch_size": data.eval_batch_size,
        "versions": {name: version(name) for name in LIBRARIES},
    }
