"""Request type `Choose`: picks the most likely of a query's candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.query import Answer, Query, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.prompt import black, with_images


@dataclass(frozen=True)
class Choose(Ask):
    """Chooses the most likely of each query's candidates.

    Args:
        measure: log-probability that is compared: its "sum" over tokens, its "mean", or "calibrated", which is
            the sum minus the sum given black images.
    """

    measure: Literal["sum", "mean", "calibrated"] = "sum"

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        values = self._values(requests, session)
        if self.measure == "calibrated":
            blind = [replace(r, prompt=with_images(r.query.prompt, black)) for r in requests]
            pairs = zip(values, self._values(blind, session), strict=True)
            values = [[seen - unseen for seen, unseen in zip(*rows, strict=True)] for rows in pairs]
        return [_likeliest(request.query, row) for request, row in zip(requests, values, strict=True)]

    def _values(self, requests: Sequence[Request], session: Session) -> list[list[float]]:
        """Returns the log-probability of each candidate of each query: the sum over tokens, or their mean."""
        cache, prompts = session.begin(requests)
        candidates = [request.query.candidates for request in requests]
        likelihoods = session.model.rank_candidates(session.processor, prompts, candidates, cache)
        return [[x.logp / (x.tokens if self.measure == "mean" else 1) for x in row] for row in likelihoods]

    def provenance(self) -> dict[str, Any]:
        return {"chosen_by": f"likelihood, {self.measure}"}

    @property
    def needs_images(self) -> str:  # type: ignore[override]
        reason = "calibrated likelihoods compare images with black ones, and the model sees no images"
        return reason if self.measure == "calibrated" else ""


def _likeliest(query: Query, values: Sequence[float]) -> Answer:
    """Returns the most likely candidate as an answer that has ended; of equally likely ones, the first."""
    chosen = query.candidates[max(range(len(values)), key=values.__getitem__)]
    return Answer(query, chosen.strip(), chosen, True, tuple(values))
