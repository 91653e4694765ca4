"""How tasks are worded: templates for captions, questions and names, and the words that naming tasks bind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from string import Formatter

from frozenvl.prompt import Example, Image, Learned, Prompt, Sample, joined
from frozenvl.util.errors import UserError

NEW_WORDS = ("dax", "blicket", "wug", "toma", "fep", "modi", "zav", "tulver", "gazzer", "kob")
"""Nonce words of Frozen's naming tasks: no language model has seen a thing named so."""


@dataclass(frozen=True)
class Template:
    """How a task is worded.

    Args:
        query: the words around the image; `{image}` and `{question}` are filled in.
        target: what follows, with `{target}`; owns the space before it, so that
            tok(prompt) + tok(target) = tok(prompt + target).
        separator: stands after each complete example.
        induction: task induction: text before everything else (Frozen, section 4.1).
        stop: a generated text ends before the first of these, at the end token, or at the length limit.
    """

    query: str = "{image}"
    target: str = "{target}"
    separator: str = "\n"
    induction: str = ""
    stop: tuple[str, ...] = ("\n",)

    def __post_init__(self) -> None:
        for name, text, known in (
            ("query", self.query, {"image", "question"}),
            ("target", self.target, {"target"}),
        ):
            try:
                parsed = list(Formatter().parse(text))
            except ValueError as error:
                raise UserError(f"template.{name}: {error} in {text!r}") from None
            for _, key, spec, conversion in parsed:
                if key is not None and (key not in known or spec or conversion):
                    wrong = key + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                    raise UserError(f"template.{name}: unknown field {{{wrong}}}; known: {sorted(known)}")
        if "target" not in {key for _, key, _, _ in Formatter().parse(self.target)}:
            raise UserError("template.target: must contain {target}")
        if "" in self.stop:
            raise UserError("template.stop: a marker must not be empty")

    def _words(self, example: Example) -> Iterator[str | Image]:
        for text, key, _, _ in Formatter().parse(self.query):
            yield text
            if key is not None:
                yield example.image if key == "image" else getattr(example, key)

    def prompt(
        self, example: Example, shots: Sequence[Example] = (), learned: Collection[int] = ()
    ) -> Prompt:
        """Induction, then the complete `shots`, then the query: neighbouring texts joined.

        Args:
            learned: which shots' answers are trained on, by their places.
        """
        parts: list[str | Image] = [self.induction]
        for place, shot in enumerate(shots):
            answer = self.target.format(target=shot.targets[0])
            parts += [*self._words(shot), Learned(answer) if place in learned else answer, self.separator]
        return joined([*parts, *self._words(example)])

    def sample(
        self, example: Example, target: int = 0, shots: Sequence[Example] = (), learned: Collection[int] = ()
    ) -> Sample:
        """The training sample for the `target`-th text of an example, and for the answers of some shots."""
        text = self.target.format(target=example.targets[target])
        return Sample(f"{example.id}#{target}", self.prompt(example, shots, learned), text)

    def answer(self, generated: str) -> str:
        """A generated text cut before the first stop marker and stripped."""
        return until_stop(generated, self.stop)


def until_stop(text: str, stop: Sequence[str]) -> str:
    """A text cut before the first of some stop texts, without white space around it."""
    ends = [at for marker in stop if (at := text.find(marker)) >= 0]
    return text[: min(ends, default=len(text))].strip()


VQA = Template(
    query="{image}Question: {question} Answer:", target=" {target}", separator="\n", stop=("\n", "Question:")
)
"""The wording of visual question answering, where a run names none."""


NAMING_WORDINGS = {
    # "This is a dax", and then "This is a"
    "published": Template(query="{image}{question}", target=" {target}", stop=("\n",)),
    # as the paper's figures have it
    "paper": Template(query="{image}Q: What is this? A: {question}", target=" {target}", stop=("\n", "Q:")),
}
"""How Frozen's naming tasks are worded: in the published files, and in the paper."""
