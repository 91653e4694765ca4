"""Prompt templates for captions, questions and naming tasks, and the nonce words of naming tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from string import Formatter

from frozenvl.prompt import Example, Image, Learned, Prompt, Sample, joined
from frozenvl.util.errors import UserError

NEW_WORDS = ("dax", "blicket", "wug", "toma", "fep", "modi", "zav", "tulver", "gazzer", "kob")
"""Nonce words of Frozen's naming tasks."""


@dataclass(frozen=True)
class Template:
    """Prompt template of a task.

    Args:
        query: text around the image, with the fields `{image}` and `{question}`.
        target: text that follows the query, with the field `{target}`. The space between query and target belongs
            here, so that tok(prompt) + tok(target) = tok(prompt + target).
        separator: text after each demonstration.
        induction: task induction, a text before everything else (Frozen, section 4.1).
        stop: stop strings. A generated text ends before the first of these, at the end token, or at the length limit.
    """

    query: str = "{image}"
    target: str = "{target}"
    separator: str = "\n"
    induction: str = ""
    stop: tuple[str, ...] = ("\n",)

    def __post_init__(self) -> None:
        for name, text, fields in (
            ("query", self.query, {"image", "question"}),
            ("target", self.target, {"target"}),
        ):
            try:
                parsed = list(Formatter().parse(text))
            except ValueError as error:
                raise UserError(f"template.{name}: {error} in {text!r}") from None
            for _, key, spec, conversion in parsed:
                if key is not None and (key not in fields or spec or conversion):
                    wrong = key + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                    raise UserError(f"template.{name}: unknown field {{{wrong}}}; known: {sorted(fields)}")
        if "target" not in {key for _, key, _, _ in Formatter().parse(self.target)}:
            raise UserError("template.target: must contain {target}")
        if "" in self.stop:
            raise UserError("template.stop: a marker must not be empty")

    def _filled_query(self, example: Example) -> Iterator[str | Image]:
        """Yields the texts and images of `query`, filled in for an example."""
        for text, key, _, _ in Formatter().parse(self.query):
            yield text
            if key is not None:
                yield example.image if key == "image" else getattr(example, key)

    def prompt(
        self, example: Example, shots: Sequence[Example] = (), learned: Collection[int] = ()
    ) -> Prompt:
        """Words a prompt: task induction, demonstrations with their answers, then the query.

        Args:
            shots: demonstrations, in prompt order.
            learned: indices of the demonstrations whose answers are trained on.
        """
        parts: list[str | Image] = [self.induction]
        for index, shot in enumerate(shots):
            answer = self.target.format(target=shot.targets[0])
            parts += [
                *self._filled_query(shot),
                Learned(answer) if index in learned else answer,
                self.separator,
            ]
        return joined([*parts, *self._filled_query(example)])

    def sample(
        self, example: Example, target: int = 0, shots: Sequence[Example] = (), learned: Collection[int] = ()
    ) -> Sample:
        """Makes the training sample of an example. `target` is the index of the target text among its `targets`."""
        text = self.target.format(target=example.targets[target])
        return Sample(f"{example.id}#{target}", self.prompt(example, shots, learned), text)

    def answer(self, generated: str) -> str:
        """Cuts a generated text before the first stop string and strips white space."""
        return until_stop(generated, self.stop)


def until_stop(text: str, stop: Sequence[str]) -> str:
    """Cuts a text before the first of the stop strings and strips white space."""
    ends = [at for marker in stop if (at := text.find(marker)) >= 0]
    return text[: min(ends, default=len(text))].strip()


VQA = Template(
    query="{image}Question: {question} Answer:", target=" {target}", separator="\n", stop=("\n", "Question:")
)
"""Default template of visual question answering."""


NAMING_WORDINGS = {
    # support: "This is a dax"; query: "This is a"
    "published": Template(query="{image}{question}", target=" {target}", stop=("\n",)),
    # from the figures of the paper
    "paper": Template(query="{image}Q: What is this? A: {question}", target=" {target}", stop=("\n", "Q:")),
}
"""Templates of Frozen's naming tasks: as in the published files, and as in the paper."""


LABEL_TEMPLATES = {
    "photo": (
        "a photo of the {label}.",
        "the {label} in a photo.",
        "a close-up of the {label}.",
        "a photo of the small {label}.",
        "a photo of the large {label}.",
        "a picture that shows the {label}.",
        "there is the {label} in this picture.",
    ),
    "caption": (
        "a {label} .",
        "there is a {label} .",
        "a {label} in the picture .",
        "people and a {label} .",
        "a {label} outside .",
    ),
    "word": ("{label}",),
}
"""Templates by which a label becomes a text for embedding or likelihood.

- `photo`: seven sentences about photographs, as CLIP words them;
- `caption`: five sentences like people's captions, for heads that were trained on these. The best of three sets by tags
  of Flickr8k's validation images (experiments/retrieval);
- `word`: the label alone.
"""


def label_text(template: str, label: str) -> tuple[str, str]:
    """Words a label: returns the text before it, without the space at its end, and the rest.

    Raises:
        UserError: if the template does not have the field `{label}` once, or has another field.
    """
    try:
        parsed = [
            (text, key, spec, conversion) for text, key, spec, conversion in Formatter().parse(template)
        ]
    except ValueError as error:
        raise UserError(f"templates: {error} in {template!r}") from None
    fields = [(key, spec, conversion) for _, key, spec, conversion in parsed if key is not None]
    if fields != [("label", "", None)]:
        raise UserError(f"templates: {template!r} has to contain {{label}} once, and no other field")
    before, after = parsed[0][0], "".join(text for text, *_ in parsed[1:])
    stem = before.rstrip()
    return stem, before[len(stem) :] + label + after
