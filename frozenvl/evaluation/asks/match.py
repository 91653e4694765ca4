"""Request type `Match`: judges how well each of a query's candidates fits its image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.asks.choose import Choose, Measure, best
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.matching import QUESTION, Pair, check_question
from frozenvl.prompt import Image
from frozenvl.util.errors import UserError


@dataclass(frozen=True)
class Match(Ask):
    """Chooses the candidate that fits a query's last image best; values are log-odds of fitting.

    (`Choose` compares log-probabilities of the candidates.)

    Args:
        by: "head" asks a matching head of the model; "yes" compares the answers to a question about each pair, without
            any training: log p(yes) - log p(no).
        head: name of the matching head; by default the only one.
        question: question about a pair, with the field `{text}`. The image is before it.
        answers: the answer that the text fits and the one that it does not, each with its leading space.
        text_only: whether answers also hold the log-probability of each candidate without any image (`text_values`),
            the sum over tokens.
        end_token: whether the end token counts in that.
    """

    shares_prompts = False
    needs_prefix = "a matching compares an image with texts"

    by: Literal["head", "yes"] = "head"
    head: str | None = None
    question: str = QUESTION
    answers: tuple[str, str] = (" yes", " no")
    text_only: bool = False
    end_token: bool = True

    def __post_init__(self) -> None:
        check_question(self.question)

    def check(self, session: Session) -> None:
        """Raises `UserError` if the model lacks the matching head."""
        if self.by == "head":
            session.model.matcher(self.head)

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        pairs = [pair for request in requests for pair in pairs_of(request)]
        if self.by == "head":
            judged = session.model.match(session.processor, pairs, self.head)
        else:
            judged = session.model.match_by_answer(session.processor, pairs, self.question, self.answers)
        odds = iter(judged.tolist())
        texts: list[list[float]] = [[] for _ in requests]
        if self.text_only:
            texts = Choose(end_token=self.end_token).text_values(requests, session)
        answers = [best(r.query, [next(odds) for _ in r.query.candidates]) for r in requests]
        return [replace(one, text_values=tuple(text)) for one, text in zip(answers, texts, strict=True)]

    def provenance(self) -> dict[str, Any]:
        if self.by == "head":
            chosen_by = f"matching head {self.head}" if self.head else "the model's matching head"
            facts: dict[str, Any] = {"chosen_by": chosen_by}
        else:
            facts = {
                "chosen_by": "answer to a question",
                "question": self.question,
                "answers": [*self.answers],
            }
        facts |= {"text_only": True} if self.text_only else {}
        return facts | ({} if self.end_token else {"end_token": False})


def choosing(
    by: Measure | Literal["head", "yes"],
    alpha: float = 1.0,
    head: str | None = None,
    question: str = QUESTION,
    **options: Any,
) -> Choose | Match:
    """Returns the request type that chooses a candidate in a given way.

    Args:
        by: measure of `Choose`, or way of `Match`.
        alpha: argument of `Choose`.
        head: argument of `Match`.
        question: argument of `Match`.
        options: arguments of both: `text_only`, `end_token`.
    """
    if by == "head" or by == "yes":
        return Match(by, head, question, **options)
    return Choose(by, alpha, **options)


def pairs_of(request: Request) -> list[Pair]:
    """Returns the image of a request, as its view shows it, with each candidate. Raises `UserError` without one."""
    images = [part for part in request.prompt if isinstance(part, Image)]
    if not images:
        raise UserError(f"query {request.query.id} shows no image, so no text can be matched with it")
    return [(images[-1], candidate.strip()) for candidate in request.query.candidates]
