"""Request type `Reconstruct`: the decoder's picture of each prompt's image."""

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
from frozenvl.prompt import Prompt


@dataclass(frozen=True)
class Reconstruct(Ask):
    """Encodes the image of each prompt by the model's autoencoder, and decodes it. The language model does not run."""

    gives_text = False
    shares_prompts = False
    needs_images = "a reconstruction is compared with the image"
    needs_prefix = "a reconstruction is of an image"

    def wording(self, session: Session) -> tuple[Processor, Callable[[Prompt], Prompt]]:
        return session.plain, lambda prompt: prompt

    def check(self, session: Session) -> None:
        """Raises `UserError` if the model has no decoder."""
        session.model.autoencoder  # noqa: B018 - it raises

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        model = session.model
        batch = batch.to(model.device)
        pictures = model.pictures(model.features(batch.images, batch.stage))
        seen = batch.image_of.gather(1, batch.lengths[:, None] - 1)[:, 0].tolist()
        return [
            Answer(request.query, picture=pictures[image])
            for request, image in zip(requests, seen, strict=True)
        ]

    def provenance(self) -> dict[str, Any]:
        return {"drawn_by": "the model's autoencoder"}
