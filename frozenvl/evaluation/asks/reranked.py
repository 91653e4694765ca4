"""Request type `Reranked`: of the texts that a beam search finds, the one that also fits the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from frozenvl.evaluation.asks.generate import Generate
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.beam_search import BeamOptions
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.prompt import Image, without_images
from frozenvl.util.errors import UserError
from frozenvl.wording import until_stop

NEEDS_BEAMS = (
    "rerank: give decoding num_beams of at least 2, and no options but length_penalty and early_stopping"
)


@dataclass(frozen=True)
class Rerank:
    """How the texts of a beam search are re-ranked: by score + `weight` · fit.

    The score is the beam search's: the mean log-probability of a token, in nats, with `length_penalty` 1.

    Args:
        by: how well a text fits the image. "retrieval": cosine similarity of their embeddings by an embedding head;
            "matching": log-odds of a matching head; "text_only": minus the mean log-probability of a token without any
            image, which prefers what is unlikely of other images (mutual information; Li et al. 2016).
        weight: weight of the fit; choose it on validation images.
        head: name of the head; by default the only one of its kind.
    """

    by: Literal["retrieval", "matching", "text_only"]
    weight: float = 1.0
    head: str | None = None

    def check(self, session: Session) -> None:
        """Raises `UserError` if the model lacks the head."""
        if self.by == "retrieval":
            session.model.head(self.head)
        elif self.by == "matching":
            session.model.matcher(self.head)

    def fits(
        self, session: Session, requests: Sequence[Request], texts: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Returns how well each text fits the image of its request, as its view shows it.

        Args:
            session: the model and its settings.
            requests: requests.
            texts: texts of each request, without white space around them; none is empty.
        """
        if self.by == "text_only":
            prompts = [without_images(request.query.prompt) for request in requests]
            spaced = [[f" {text}" for text in row] for row in texts]
            rows = session.model.rank_candidates(session.processor.for_texts(), prompts, spaced)
            return [[-found.logp / found.tokens for found in row] for row in rows]
        images = [[part for part in request.prompt if isinstance(part, Image)][-1] for request in requests]
        if self.by == "retrieval":
            # A prefix cache gives prefix vectors, and heads may read features.
            shown = session.model.embed_images(session.plain, images, self.head)
            read = session.model.embed_texts(
                session.plain, [text for row in texts for text in row], self.head
            )
            parts = read.split([len(row) for row in texts])
            return [(vectors @ image).tolist() for image, vectors in zip(shown, parts, strict=True)]
        pairs = [(image, text) for image, row in zip(images, texts, strict=True) for text in row]
        odds = iter(session.model.match(session.processor, pairs, self.head).tolist())
        return [[next(odds) for _ in row] for row in texts]


def stopped(text: str, stop: Sequence[str]) -> bool:
    """Tells whether a generated text has one of the stop texts."""
    return any(marker in text for marker in stop)


@dataclass(frozen=True)
class Reranked(Generate):
    """Generates several texts after each prompt by beam search, and chooses one of them.

    Args:
        rerank: how the texts are compared.
    """

    rerank: Rerank = field(kw_only=True)

    def check(self, session: Session) -> None:
        """Checks the options of the beam search and the head.

        Raises:
            UserError: if the decoding is not a plain beam search, or the model lacks the head.
        """
        super().check(session)
        self._beams()
        self.rerank.check(session)

    def _beams(self) -> BeamOptions:
        beams = BeamOptions.of(self.decoding)
        if beams is None:
            raise UserError(NEEDS_BEAMS)
        return beams

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        found = session.model.candidates(
            batch.to(session.model.device),
            session.processor,
            self.max_new_tokens,
            self._beams(),
            prompt_cache,
        )
        cut = [[(until_stop(one.text, self.stop), one) for one in row] for row in found]
        # An empty text is chosen only if all are.
        cut = [[pair for pair in row if pair[0]] or row[:1] for row in cut]
        several = [at for at, row in enumerate(cut) if len(row) > 1]
        fits = self.rerank.fits(
            session, [requests[at] for at in several], [[text for text, _ in cut[at]] for at in several]
        )
        chosen = [row[0] for row in cut]
        for at, row in zip(several, fits, strict=True):
            values = [
                one.score + self.rerank.weight * fit for (_, one), fit in zip(cut[at], row, strict=True)
            ]
            chosen[at] = cut[at][max(range(len(values)), key=values.__getitem__)]
        return [
            Answer(request.query, text, one.text, one.ended or stopped(one.text, self.stop))
            for request, (text, one) in zip(requests, chosen, strict=True)
        ]

    def provenance(self) -> dict[str, Any]:
        return super().provenance() | {"rerank": vars(self.rerank)}

    @property
    def needs_prefix(self) -> str:  # type: ignore[override]
        return "texts are re-ranked by how well they fit the image"
