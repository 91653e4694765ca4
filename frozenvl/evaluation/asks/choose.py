"""Request type `Choose`: picks the most likely of a query's candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.query import Answer, Query, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.loglikelihood import Likelihood
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.processor import Processor
from frozenvl.prompt import Prompt, black, with_images, without_images

Measure = Literal["sum", "mean", "calibrated", "difference"]
"""Names of the measures of `Choose`."""


@dataclass(frozen=True)
class Choose(Ask):
    """Chooses the most likely of each query's candidates.

    Args:
        measure: log-probability that is compared: its "sum" over tokens, its "mean", "calibrated" (the sum minus the
            sum given black images) or "difference" (the sum minus `alpha` times the sum given the text of the prompt
            without any image; an empty text is the start token).
        alpha: weight of the log-probability without images in "difference".
        text_only: whether answers also hold the log-probability without any image (`text_values`): the sum over
            tokens, or the mean with the measure "mean". With "difference" they always do.
        end_token: whether the end token after a candidate counts.
    """

    measure: Measure = "sum"
    alpha: float = 1.0
    text_only: bool = False
    end_token: bool = True

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        values = self._values(requests, session)
        texts: list[list[float]] = [[] for _ in requests]
        if self.text_only or self.measure == "difference":
            texts = self.text_values(requests, session)
        if self.measure == "calibrated":
            blind = [replace(r, prompt=with_images(r.query.prompt, black)) for r in requests]
            values = _minus(values, self._values(blind, session))
        elif self.measure == "difference":
            values = _minus(values, texts, self.alpha)
        rows = zip(requests, values, texts, strict=True)
        return [replace(best(r.query, row), text_values=tuple(text)) for r, row, text in rows]

    def _values(self, requests: Sequence[Request], session: Session) -> list[list[float]]:
        """Returns the log-probability of each candidate of each query: the sum over tokens, or their mean."""
        cache, prompts = session.begin(requests)
        return self._measured(session, session.processor, requests, prompts, cache)

    def text_values(self, requests: Sequence[Request], session: Session) -> list[list[float]]:
        """Returns the log-probability of each candidate without any image, given the text of each prompt."""
        prompts = [without_images(request.query.prompt) for request in requests]
        return self._measured(session, session.processor.for_texts(), requests, prompts, None)

    def _measured(
        self,
        session: Session,
        processor: Processor,
        requests: Sequence[Request],
        prompts: Sequence[Prompt],
        cache: PromptCache | None,
    ) -> list[list[float]]:
        rows = likelihoods_of(session, processor, requests, prompts, cache)
        return [[*map(self._value, row)] for row in rows]

    def _value(self, likelihood: Likelihood) -> float:
        logp, tokens = likelihood.logp, likelihood.tokens
        if not self.end_token:
            logp, tokens = logp - likelihood.end, tokens - 1
        return logp / tokens if self.measure == "mean" else logp

    def provenance(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"chosen_by": f"likelihood, {self.measure}"}
        facts |= {"alpha": self.alpha} if self.measure == "difference" else {}
        facts |= {"text_only": True} if self.text_only else {}
        return facts | ({} if self.end_token else {"end_token": False})

    @property
    def needs_images(self) -> str:  # type: ignore[override]
        reason = "calibrated likelihoods compare images with black ones, and the model sees no images"
        return reason if self.measure == "calibrated" else ""

    @property
    def needs_prefix(self) -> str:  # type: ignore[override]
        reason = "differences of likelihoods compare prompts with images and without"
        return reason if self.measure == "difference" else ""


def likelihoods_of(
    session: Session,
    processor: Processor,
    requests: Sequence[Request],
    prompts: Sequence[Prompt],
    cache: PromptCache | None,
) -> list[list[Likelihood]]:
    """Returns the likelihood of each candidate of each request.

    Without images, or with black ones, many requests have the same prompt: each candidate is computed once.

    Args:
        session: the model and its settings.
        processor: processor of the prompts.
        requests: requests whose candidates are compared.
        prompts: their prompts, or the remainders of these after the prompt cache.
        cache: common beginning of the prompts; None if there is none.
    """
    known: dict[Prompt, dict[str, Likelihood]] = {}
    unknown = Likelihood(0.0, 0)
    for request, prompt in zip(requests, prompts, strict=True):
        known.setdefault(prompt, {}).update(dict.fromkeys(request.query.candidates, unknown))
    computed = session.model.rank_candidates(
        processor, [*known], [[*texts] for texts in known.values()], cache
    )
    for texts, row in zip(known.values(), computed, strict=True):
        texts.update(zip(texts, row, strict=True))
    return [[known[p][text] for text in r.query.candidates] for r, p in zip(requests, prompts, strict=True)]


def _minus(
    values: Sequence[Sequence[float]], others: Sequence[Sequence[float]], weight: float = 1.0
) -> list[list[float]]:
    """Returns values - weight * others, for each candidate of each query."""
    rows = zip(values, others, strict=True)
    return [[one - weight * other for one, other in zip(*row, strict=True)] for row in rows]


def best(query: Query, values: Sequence[float]) -> Answer:
    """Returns the candidate of the highest value as an answer that has ended; of equal ones, the first."""
    chosen = query.candidates[max(range(len(values)), key=values.__getitem__)]
    return Answer(query, chosen.strip(), chosen, True, tuple(values))
