"""The interface of request types: a batch of requests in, one answer per request out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from frozenvl.data.collate import readable
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.processor import Processor
from frozenvl.prompt import Prompt, Sample


class Ask(ABC):
    """Request type: what the model does with each query of a benchmark."""

    gives_text: ClassVar[bool] = True
    """Whether answers are texts. Texts need references, and are drawn in the gallery and the report."""
    shares_prompts: ClassVar[bool] = True
    """Whether the common beginning of prompts is computed once, as a prompt cache."""
    needs_images: str = ""
    """Reason why answers are meaningless if the model sees no images; empty if they are not."""
    needs_prefix: str = ""
    """Reason why answers are meaningless without a visual prefix (view text-only); empty if they are not."""
    max_new_tokens: int = 0
    """Length limit of a generated text, in tokens."""

    def __call__(self, requests: Sequence[Request], session: Session) -> list[Answer]:
        """Answers a batch of requests. A prompt that cannot be read gets an empty answer with the reason."""
        cache, prompts = (
            session.begin(requests) if self.shares_prompts else (None, [r.prompt for r in requests])
        )
        processor, worded = self.wording(session)
        samples = [Sample(r.query.id, worded(prompt)) for r, prompt in zip(requests, prompts, strict=True)]
        batch = readable(samples, lambda rows: processor(rows, start=cache is None))
        by_id = {request.query.id: request for request in requests}
        answerable, reasons = [by_id[key] for key in batch.ids], dict(batch.unreadable)
        answers = self.answer(answerable, batch, cache, session) if answerable else []
        answer_of = {answer.query.id: answer for answer in answers}
        return [
            answer_of.get(request.query.id) or Answer(request.query, unreadable=reasons[request.query.id])
            for request in requests
        ]

    def wording(self, session: Session) -> tuple[Processor, Callable[[Prompt], Prompt]]:
        """Returns the processor that reads prompts, and the function that words a query's prompt for the model."""
        return session.processor, lambda prompt: prompt

    def check(self, session: Session) -> None:  # noqa: B027 - most have nothing to check
        """Checks before the first query that the model can be asked.

        Raises:
            UserError: if it cannot.
        """

    @abstractmethod
    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        """Answers requests whose prompts are readable.

        Args:
            requests: requests to answer.
            batch: remainders of their prompts after the prompt cache, in the same order.
            prompt_cache: common beginning of their prompts; None if `batch` holds whole prompts.
            session: the model and its settings.
        """

    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """Returns the options that answers depend on, recorded with the scores."""
