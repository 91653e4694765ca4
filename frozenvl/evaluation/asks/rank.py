"""Request type `Rank`: the log-likelihood of each of a query's candidates, in total and per token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.asks.choose import best, likelihoods_of
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache


@dataclass(frozen=True)
class Rank(Ask):
    """Gives each candidate its log-likelihood (`values`) and that per token (`mean_values`). Reads each prompt once.

    The text of the answer is the candidate of the highest total.

    Args:
        end_token: whether the end token after a candidate counts. It tells "two" from "two dogs".
    """

    end_token: bool = True

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        cache, prompts = session.begin(requests)
        answers = []
        for request, row in zip(
            requests, likelihoods_of(session, session.processor, requests, prompts, cache), strict=True
        ):
            counted = [
                (one.logp, one.tokens) if self.end_token else (one.logp - one.end, one.tokens - 1)
                for one in row
            ]
            means = tuple(logp / max(1, tokens) for logp, tokens in counted)
            answers.append(replace(best(request.query, [logp for logp, _ in counted]), mean_values=means))
        return answers

    def provenance(self) -> dict[str, Any]:
        return {"ranked_by": "log-likelihood, in total and per token", "end_token": self.end_token}
