"""Request type `Embed`: an embedding of each prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache


@dataclass(frozen=True)
class Embed(Ask):
    """Embeds each prompt as the last hidden state at its last position (dim,). Benchmarks score all vectors jointly."""

    gives_text = False
    shares_prompts = False

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        vectors = session.model.embed(batch.to(session.model.device)).cpu().numpy()
        return [Answer(r.query, vector=vector) for r, vector in zip(requests, vectors, strict=True)]

    def provenance(self) -> dict[str, Any]:
        return {"embedded_by": "last hidden state at the last position"}
