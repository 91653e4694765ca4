"""Request type `EmbedAndChoose`: likelihoods for queries with candidates, embeddings for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.asks.choose import Choose
from frozenvl.evaluation.asks.embed import Embed
from frozenvl.evaluation.asks.match import Match
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.processor import Processor
from frozenvl.prompt import Prompt


@dataclass(frozen=True)
class EmbedAndChoose(Ask):
    """Answers a query with candidates by their likelihoods or their matching, and any other query by its embedding."""

    gives_text = False
    shares_prompts = False

    embed: Embed
    choose: Choose | Match

    def wording(self, session: Session) -> tuple[Processor, Callable[[Prompt], Prompt]]:
        return self.embed.wording(session)

    def check(self, session: Session) -> None:
        self.choose.check(session)

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        answers: dict[str, Answer] = {}
        for ask, chooses in ((self.choose, True), (self.embed, False)):
            rows = [row for row, r in enumerate(requests) if bool(r.query.candidates) is chooses]
            if rows:
                part = batch.select(torch.tensor(rows, device=batch.lengths.device))
                made = ask.answer([requests[row] for row in rows], part, prompt_cache, session)
                answers |= {answer.query.id: answer for answer in made}
        return [answers[request.query.id] for request in requests]

    def provenance(self) -> dict[str, Any]:
        return self.embed.provenance() | self.choose.provenance()

    @property
    def needs_images(self) -> str:  # type: ignore[override]
        return self.choose.needs_images

    @property
    def needs_prefix(self) -> str:  # type: ignore[override]
        return self.choose.needs_prefix
