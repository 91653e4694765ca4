"""`Matches`: how well texts fit images, by a trained head or, without any training, by the language model itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from frozenvl.model.embedding import in_batches
from frozenvl.model.heads import Matching
from frozenvl.model.heads.head import named
from frozenvl.model.language.loglikelihood import Likelihood
from frozenvl.model.processor import Processor
from frozenvl.prompt import Example, Image, without_images
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

Pair: TypeAlias = tuple[Image, str]
"""An image and a text that may fit it."""
QUESTION = "Caption: {text}\nDoes this caption fit the image? Answer:"
"""Default question about a pair; the image is before it."""


class Matches:
    """Mixin of `FrozenVL` with the methods that judge pairs of an image and a text. A larger value fits better.

    An image is encoded once for each batch of pairs that has it. With a `PrefixCache` as the processor's reader it is
    encoded once in all.
    """

    def matcher(self: Any, name: str | None = None) -> Matching:
        """Returns the matching head of a name, or the only one.

        Raises:
            UserError: if there is none of the name, none at all, or a name is needed.
        """
        return named(self.heads, Matching, "matching head", name, "as configs/matching.yaml does")

    @torch.no_grad()
    def match(
        self: Any,
        processor: Processor,
        pairs: Sequence[Pair],
        head: str | None = None,
        batch_size: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Tensor:
        """Returns the log-odds (n,) that each text fits its image, by a matching head: fp32, on the CPU.

        Args:
            processor: this model's processor.
            pairs: pairs to judge.
            head: name of the matching head; by default the only one.
            batch_size: number of pairs per pass.
            progress: function called with the number of pairs done and their total.

        Raises:
            UnreadableImage: if an image cannot be read; its `image` names it.
        """
        made = self.matcher(head)
        word = lambda pair: made.prompt(pair[0], pair[1].strip())
        rows = in_batches(self, pairs, word, made.logits, processor, batch_size, progress)
        return torch.cat([torch.zeros(0), *rows])

    def match_by_likelihood(
        self: Any,
        processor: Processor,
        pairs: Sequence[Pair],
        template: Template | None = None,
        alpha: float = 1.0,
        end_token: bool = False,
        batch_size: int = 16,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Tensor:
        """Returns log p(text | image) - alpha · log p(text) (n,) of each pair, in nats: fp32, on the CPU.

        Each image is read once, however many texts it has, and each text without an image once. The first token of a
        text without an image follows the start token (`Processor.for_texts`).

        Args:
            processor: this model's processor.
            pairs: pairs to judge.
            template: wording of captions, without fields but the image; by default the image alone.
            alpha: weight of the text's own log-probability; 0 leaves it out.
            end_token: whether the end token after a text counts.
            batch_size: number of images per pass.
            progress: function called with the number of images done and their total.

        Raises:
            UnreadableImage: if an image cannot be read; its `image` names it.
        """
        template = template or Template()
        places: dict[Image, list[int]] = {}
        for place, (image, _) in enumerate(pairs):
            places.setdefault(image, []).append(place)
        texts = [template.target.format(target=text) for _, text in pairs]
        value = lambda found: found.logp if end_token else found.logp - found.end
        scores = torch.zeros(len(pairs))
        images = list(places)
        for start in range(0, len(images), batch_size):
            some = images[start : start + batch_size]
            prompts = [template.prompt(Example(image.name, image, image.name)) for image in some]
            candidates = [[texts[place] for place in places[image]] for image in some]
            ranked: list[list[Likelihood]] = self.rank_candidates(processor, prompts, candidates)
            for image, row in zip(some, ranked, strict=True):
                scores[places[image]] = torch.tensor([value(found) for found in row])
            progress(start + len(some), len(images))
        if alpha and images:
            distinct = list(dict.fromkeys(texts))
            blind = without_images(template.prompt(Example("", images[0], "")))
            (row,) = self.rank_candidates(processor.for_texts(), [blind], [distinct])
            alone = dict(zip(distinct, map(value, row), strict=True))
            scores -= alpha * torch.tensor([alone[text] for text in texts])
        return scores

    def match_by_answer(
        self: Any,
        processor: Processor,
        pairs: Sequence[Pair],
        question: str = QUESTION,
        answers: tuple[str, str] = (" yes", " no"),
        batch_size: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Tensor:
        """Returns log p("yes") - log p("no") (n,) after a question about each pair, in nats: fp32, on the CPU.

        These are the log-odds of p("yes") / (p("yes") + p("no")): their sigmoid is that share.

        Args:
            processor: this model's processor.
            pairs: pairs to judge.
            question: question after the image, with the field `{text}`.
            answers: the answer that the text fits and the one that it does not, each with its leading space.
            batch_size: number of pairs per pass.
            progress: function called with the number of pairs done and their total.

        Raises:
            UnreadableImage: if an image cannot be read; its `image` names it.
        """
        check_question(question)
        odds = [0.0] * len(pairs)
        for start in range(0, len(pairs), batch_size):
            some = pairs[start : start + batch_size]
            prompts = [(image, question.replace("{text}", text.strip())) for image, text in some]
            ranked = self.rank_candidates(processor, prompts, [answers] * len(prompts))
            for place, (yes, no) in enumerate(ranked, start):
                odds[place] = (yes.logp - yes.end) - (no.logp - no.end)
            progress(start + len(some), len(pairs))
        return torch.tensor(odds)


def check_question(question: str) -> None:
    """Raises `UserError` if a question about pairs lacks the field `{text}`."""
    if question.count("{text}") != 1:
        raise UserError(f"question is {question!r}; it has to contain {{text}} once")
