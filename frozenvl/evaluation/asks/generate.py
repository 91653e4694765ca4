"""Request type `Generate`: a text generated after each prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.decoding import check_options, in_force, try_options
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.util.errors import UserError
from frozenvl.wording import until_stop


@dataclass(frozen=True)
class Generate(Ask):
    """Generates a text after each prompt.

    Args:
        max_new_tokens: length limit of a text, in tokens.
        decoding: options of transformers' `generate`, such as `num_beams`; by default decoding is greedy. Options that
            are not given have transformers' defaults, whatever the model's own `generation_config.json` says.
        stop: stop texts; an answer is cut before the first of them.
    """

    max_new_tokens: int = 32
    decoding: Mapping[str, Any] = field(default_factory=dict)
    stop: Sequence[str] = ("\n",)

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UserError(f"max_new_tokens is {self.max_new_tokens}; an answer needs at least one")
        if self.decoding:
            check_options(self.decoding)

    def check(self, session: Session) -> None:
        """Tries the decoding options with two short prompts, since only transformers knows which go together.

        Raises:
            UserError: if transformers refuses them.
        """
        if self.decoding:
            language = session.model.language
            ends = language.end_tokens | session.plain.ends
            try_options(language, ends, self.max_new_tokens, self.decoding)

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        continuations = session.model.continuations(
            batch.to(session.model.device),
            session.processor,
            self.max_new_tokens,
            self.stop,
            prompt_cache=prompt_cache,
            **self.decoding,
        )
        return [
            Answer(request.query, until_stop(generated.text, self.stop), generated.text, generated.ended)
            for request, generated in zip(requests, continuations, strict=True)
        ]

    def provenance(self) -> dict[str, Any]:
        ends = f"at the end token, at one of {list(self.stop)!r}, or after {self.max_new_tokens} tokens"
        return {"decoding": in_force(self.decoding) if self.decoding else "greedy", "ends": ends}
