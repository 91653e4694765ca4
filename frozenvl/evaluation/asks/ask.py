"""The interface of asks: a batch of requests in, an answer to each out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from frozenvl.data.collate import readable
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.prompt import Sample


class Ask(ABC):
    """What a benchmark asks of a model for each query."""

    gives_text: ClassVar[bool] = True
    """Whether answers are texts, which have references and are drawn in galleries."""
    shares_prompts: ClassVar[bool] = True
    """Whether the common beginning of prompts is computed once."""
    needs_images: str = ""
    """Why answers say nothing where no image is seen; empty where they do."""
    max_new_tokens: int = 0
    """Length limit of a generated text."""

    def __call__(self, requests: Sequence[Request], session: Session) -> list[Answer]:
        """The answers to a batch. A prompt that cannot be read gets an empty answer with the reason."""
        cache, prompts = (
            session.begin(requests) if self.shares_prompts else (None, [r.prompt for r in requests])
        )
        samples = [Sample(r.query.id, prompt) for r, prompt in zip(requests, prompts, strict=True)]
        batch = readable(samples, lambda rows: session.processor(rows, start=cache is None))
        by_id = {request.query.id: request for request in requests}
        left, reasons = [by_id[key] for key in batch.ids], dict(batch.unreadable)
        found = {each.query.id: each for each in self.answer(left, batch, cache, session)} if left else {}
        return [
            found.get(request.query.id) or Answer(request.query, unreadable=reasons[request.query.id])
            for request in requests
        ]

    @abstractmethod
    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        """The answers to readable requests.

        Args:
            batch: the remainders of their prompts, in this order.
            prompt_cache: the common beginning of their prompts.
        """

    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """What the answers depend on beside the prompts."""
