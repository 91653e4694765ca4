"""Request type `Draw`: a picture of each prompt's text, by a drawing head of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.processor import Processor
from frozenvl.model.tokenizing import text_of
from frozenvl.prompt import Prompt


@dataclass(frozen=True)
class Draw(Ask):
    """Draws the text of each prompt by a drawing head of the model.

    Args:
        head: name of the drawing head; by default the only one.
        seed: seed of codes that are drawn at random.
        temperature: temperature of codes; 0 draws the most likely ones.
    """

    gives_text = False
    shares_prompts = False

    head: str | None = None
    seed: int = 0
    temperature: float = 1.0

    def wording(self, session: Session) -> tuple[Processor, Callable[[Prompt], Prompt]]:
        head = session.model.drawer(self.head)
        return session.plain, lambda prompt: head.prompt(text_of(prompt))

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        model = session.model
        run = model.run(batch.to(model.device))
        pictures = model.pictures(model.drawer(self.head).latents(run, self.seed, self.temperature))
        return [Answer(r.query, picture=picture) for r, picture in zip(requests, pictures, strict=True)]

    def provenance(self) -> dict[str, Any]:
        drawn_by = f"head {self.head}" if self.head else "the model's drawing head"
        return {"drawn_by": drawn_by, "seed": self.seed, "temperature": self.temperature}
