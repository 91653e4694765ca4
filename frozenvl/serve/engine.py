"""`Engine`: a trained model as the page asks it, with the methods of the commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image

from frozenvl.model.heads import EmbeddingHead
from frozenvl.prompt import Image, Prompt
from frozenvl.retrieval.image_index import Hit, ImageIndex
from frozenvl.retrieval.label_choice import softmax
from frozenvl.retrieval.load import load_model
from frozenvl.serve.question import Question
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


class Token(NamedTuple):
    """A position of a prompt, or the positions of one image."""

    text: str
    """Text of the token, or the name of the image."""
    id: int
    """Token id; -1 for an image."""
    positions: int = 1
    """Number of positions."""


class Engine:
    """A trained model.

    Args:
        path: checkpoint, folder of a run, or exported folder.
        name: name on the page.

    Raises:
        UserError: if there is no model, or it does not fit its configuration.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.loaded = load_model(path)
        self.model, self.processor = self.loaded.model, self.loaded.processor
        self.index = cache(self._index)
        """Function that returns the index of a folder of images."""

    @property
    def summary(self) -> str:
        """Encoder, mapper and language model, in a line."""
        model = self.model
        mapper = type(model.mapper).__name__
        positions = f"{model.k} vectors" if model.k != 1 else "1 vector"
        names = [
            Path(name).name if Path(name).is_dir() else name
            for name in (model.vision.name, model.language.name)
        ]
        return f"{names[0]} → {mapper} ({positions}) → {names[1]}"

    @property
    def embeds(self) -> bool:
        """Whether the model has an embedding head, so that it can search images."""
        return any(isinstance(head, EmbeddingHead) for head in self.model.heads.values())

    def worded(self, question: Question) -> tuple[Template, Prompt]:
        """Returns the template of a question or a caption, and the prompt."""
        template = self.loaded.answering if question.text else self.loaded.captioning
        if question.induction:
            template = replace(template, induction=question.induction)
        return template, template.prompt(question.example, question.shots)

    def answer(self, question: Question) -> str:
        """Returns the answer or the caption."""
        template, prompt = self.worded(question)
        (text,) = self.model.answers(self.processor, [prompt], template, question.decoding)
        return text

    def tokens(self, question: Question) -> list[Token]:
        """Returns the prompt as the language model reads it."""
        _, prompt = self.worded(question)
        batch, k = self.processor([prompt]), max(1, self.processor.k)
        images = list(dict.fromkeys(part for part in prompt if isinstance(part, Image)))
        names = [image.name for image in images for _ in image.frames]
        row = zip(batch.tokens[0].tolist(), batch.slots[0].tolist(), strict=True)
        tokens: list[Token] = []
        for image, group in groupby(row, lambda pair: pair[1] // k if pair[1] >= 0 else -1):
            pairs = list(group)
            if image >= 0:
                tokens.append(Token(names[image] if image < len(names) else "image", -1, len(pairs)))
            else:
                decode = self.processor.tokenizer.decode
                tokens += [Token(str(decode([token])), token) for token, _ in pairs]
        return tokens

    def rank(self, question: Question, candidates: Sequence[str]) -> list[tuple[str, float]]:
        """Returns the candidates with their probabilities, the most likely first.

        A probability is the share of a candidate's likelihood after the prompt in the sum over all candidates.

        Raises:
            UserError: if there are fewer than two different candidates.
        """
        texts = list(dict.fromkeys(candidates))
        if len(texts) < 2:
            raise UserError("name at least two different candidates, one in each line")
        template, prompt = self.worded(question)
        targets = [template.target.format(target=text) for text in texts]
        (likelihoods,) = self.model.rank_candidates(self.processor, [prompt], [targets])
        probabilities = softmax(np.array([[likelihood.logp for likelihood in likelihoods]]))[0]
        order = np.argsort(-probabilities, kind="stable")
        return [(texts[place], float(probabilities[place])) for place in order]

    def explained(self, question: Question, method: str, answer: str, words: bool) -> PIL.Image.Image:
        """Draws maps of what an answer or a caption depends on.

        Args:
            question: the question.
            method: name of a method of `frozenvl explain`.
            answer: text to explain; empty for what the model says.
            words: whether each word gets a map, or the whole text.
        """
        from frozenvl.analysis.drawing import picture
        from frozenvl.analysis.explain import target_function
        from frozenvl.analysis.methods import methods_of

        (chosen,) = methods_of([method], {}, {})
        template, _ = self.worded(question)
        function = target_function(
            self.model,
            question.image,
            question.text,
            answer,
            each_word=words,
            processor=self.processor,
            template=template,
            shots=question.shots,
        )
        return picture(function, chosen.maps(function), question.text or function.target.text.strip())

    def _index(self, folder: Path) -> ImageIndex:
        return ImageIndex(self.model, folder, None, self.processor)

    def search(self, folder: Path, query: str | Image, top: int) -> list[Hit]:
        """Returns the images of a folder that are most similar to a text or an image, the best first."""
        return self.index(folder).search(query, top)
