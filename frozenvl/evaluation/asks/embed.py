"""Request type `Embed`: an embedding of each prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.heads import EmbeddingHead
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.processor import Processor
from frozenvl.model.tokenizing import text_of
from frozenvl.prompt import Image, Prompt


@dataclass(frozen=True)
class Embed(Ask):
    """Embeds each prompt as a vector (dim,). Benchmarks score all vectors jointly.

    With a head, a prompt is one image or one text, which the head words itself. Without, the vector is the last hidden
    state at the prompt's last position.

    Args:
        head: name of an embedding head of the model; "" is its only head, None uses no head.
    """

    gives_text = False
    shares_prompts = False

    head: str | None = None

    def wording(self, session: Session) -> tuple[Processor, Callable[[Prompt], Prompt]]:
        if self.head is None:
            return super().wording(session)
        head = session.model.head(self.head or None)
        # A prefix cache gives prefix vectors, which have no features.
        return session.plain if head.reads_features else session.processor, lambda prompt: worded(
            prompt, head
        )

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        batch = batch.to(session.model.device)
        if self.head is None:
            vectors = session.model.embed(batch)
        else:
            vectors = embedded(batch, session.model.head(self.head or None), session)
        rows = vectors.cpu().numpy()
        return [Answer(r.query, vector=vector) for r, vector in zip(requests, rows, strict=True)]

    def provenance(self) -> dict[str, Any]:
        if self.head is None:
            return {"embedded_by": "last hidden state at the last position"}
        return {"embedded_by": f"head {self.head}" if self.head else "the model's embedding head"}


def worded(prompt: Prompt, head: EmbeddingHead) -> Prompt:
    """Returns the prompt by which a head embeds a prompt's image, or its text if it has none."""
    images = [part for part in prompt if isinstance(part, Image)]
    return head.prompts.of_image(images[-1]) if images else head.prompts.of_text(text_of(prompt))


@torch.no_grad()
def embedded(batch: Batch, head: EmbeddingHead, session: Session) -> torch.Tensor:
    """Returns the embeddings (B, dim) of a batch whose rows are images or texts."""
    run = session.model.run(batch)
    vectors = torch.zeros(len(batch), head.dim, device=batch.lengths.device)
    has_image = (batch.image_of >= 0).any(1)
    for rows, embed in ((has_image, head.embed_images), (~has_image, head.embed_texts)):
        if rows.any():
            index = rows.nonzero()[:, 0]
            vectors[index] = embed(run.on(batch.select(index)))
    run.check_features()
    return vectors
