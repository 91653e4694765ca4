"""Prompt templates for captions, questions and naming tasks, and the nonce words of naming tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from frozenvl.prompt import Delimiter, Example, Image, Learned, Prompt, PromptPart, Sample, Turn, joined
from frozenvl.util.errors import UserError

NEW_WORDS = ("dax", "blicket", "wug", "toma", "fep", "modi", "zav", "tulver", "gazzer", "kob")
"""Nonce words of Frozen's naming tasks."""


@dataclass(frozen=True)
class Template:
    """Prompt template of a task.

    A conversation is worded turn by turn. `{question}` is the text of a message. An image at the beginning or at the
    end of a message stands at `{image}`; others stay where they are in the text. With a `query` without `{question}`,
    messages stay as they are. Without `chat`, the system message of a conversation stands in front, with the separator
    behind it.

    Args:
        query: text around the image, with the fields `{image}` and `{question}`.
        target: text that follows the query, with the field `{target}`. The space between query and target belongs
            here, so that tok(prompt) + tok(target) = tok(prompt + target).
        separator: text after each demonstration and each turn; not used with `chat`.
        induction: task induction, a text before everything else (Frozen, section 4.1); with `chat`, the system message.
        stop: stop strings. A generated text ends before the first of these, at the end token, or at the length limit.
            By default the end of the line; none with `chat`.
        chat: whether to word queries as messages and targets as replies with the language model's own chat template.
    """

    query: str = "{image}"
    target: str = "{target}"
    separator: str = "\n"
    induction: str = ""
    stop: tuple[str, ...] | None = None
    chat: bool = False

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
        if "" in self.stops:
            raise UserError("template.stop: a marker must not be empty")

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop strings in force."""
        return self.stop if self.stop is not None else () if self.chat else ("\n",)

    def record(self) -> dict[str, Any]:
        """Returns the fields that texts depend on, for the provenance of scores."""
        fields: dict[str, Any] = {
            name: getattr(self, name) for name in ("query", "target", "separator", "induction")
        }
        return fields | {"stop": self.stops} | ({"chat": True} if self.chat else {})

    def _filled(self, image: Sequence[PromptPart], question: Sequence[PromptPart]) -> list[PromptPart]:
        """Returns the texts and images of `query`, filled in. Without an image, no space stands in its place."""
        parts: list[PromptPart] = []
        for text, key, _, _ in Formatter().parse(self.query):
            parts.append(text.lstrip() if not image and not joined(parts) else text)
            if key is not None:
                parts += image if key == "image" else question
        return parts

    def _message(self, turn: Turn) -> list[PromptPart]:
        """Returns the texts and images of a message, worded."""
        message = list(turn.message)
        if "{question}" not in self.query:
            return message
        image: list[PromptPart] = []
        if "{image}" in self.query:
            while message and isinstance(message[0], Image):
                image.append(message.pop(0))
            behind = len(image)
            while message and isinstance(message[-1], Image):
                image.insert(behind, message.pop())
        if message and image:  # "<image>\nWhat is this?"
            message = [*stripped(message)]
        return self._filled(image, message)

    def _turns(self, example: Example, target: int | None) -> list[tuple[list[PromptPart], str]]:
        """Returns the worded messages of an example, each with its reply: one, unless it is a conversation."""
        if example.turns:
            return [(self._message(turn), self.target.format(target=turn.reply)) for turn in example.turns]
        reply = "" if target is None else self.target.format(target=example.targets[target])
        return [(self._filled([example.image], [example.question]), reply)]

    def _replied(self, reply: str, learned: bool, in_conversation: bool) -> list[PromptPart]:
        """Returns a reply with what stands around it."""
        text = Learned(reply) if learned else reply
        if self.chat:
            return [Delimiter("reply"), text, Delimiter("end of turn", learned=learned), Delimiter("next")]
        end = [Delimiter("end", learned=learned)] if in_conversation else []
        return [text, *end, self.separator]

    def prompt(
        self,
        example: Example,
        shots: Sequence[Example] = (),
        learned: Collection[int] = (),
        learned_turns: bool = False,
    ) -> Prompt:
        """Words a prompt: task induction, demonstrations with their answers, then the query.

        Of a conversation, all turns but the last stand in front of the last message.

        Args:
            shots: demonstrations, in prompt order.
            learned: indices of the demonstrations whose answers are trained on.
            learned_turns: whether the replies of a conversation before its last message are trained on.
        """
        system = "\n".join(text for text in (self.induction, example.system) if text)
        own = f"{example.system}{self.separator}" if example.system else ""
        parts: list[PromptPart] = [Delimiter("opening", system) if self.chat else self.induction + own]
        for index, shot in enumerate(shots):
            for message, reply in self._turns(shot, 0):
                parts += [*message, *self._replied(reply, index in learned, bool(shot.turns))]
        *history, (message, _) = self._turns(example, None)
        for earlier, reply in history:
            parts += [*earlier, *self._replied(reply, learned_turns, True)]
        return joined([*parts, *message, *([Delimiter("reply")] if self.chat else [])])

    def sample(
        self, example: Example, target: int = 0, shots: Sequence[Example] = (), learned: Collection[int] = ()
    ) -> Sample:
        """Makes the training sample of an example. `target` is the index of the target text among its `targets`.

        All replies of a conversation are trained on.
        """
        text = self.target.format(target=example.targets[target])
        prompt = self.prompt(example, shots, learned, True)
        return Sample(f"{example.id}#{target}", prompt, text, turns=len(example.turns))

    def answer(self, generated: str) -> str:
        """Cuts a generated text before the first stop string and strips white space."""
        return until_stop(generated, self.stops)


def stripped(message: Sequence[PromptPart]) -> Prompt:
    """Returns a message without white space at its two ends."""
    parts = list(message)
    if parts and isinstance(parts[0], str):
        parts[0] = parts[0].lstrip()
    if parts and isinstance(parts[-1], str):
        parts[-1] = parts[-1].rstrip()
    return joined(parts)


def until_stop(text: str, stop: Sequence[str]) -> str:
    """Cuts a text before the first of the stop strings and strips white space."""
    ends = [at for marker in stop if (at := text.find(marker)) >= 0]
    return text[: min(ends, default=len(text))].strip()


VQA = Template(
    query="{image}Question: {question} Answer:", target=" {target}", separator="\n", stop=("\n", "Question:")
)
"""Default template of visual question answering."""
CHAT = Template(query="{image}{question}", chat=True)
"""Template of conversations in the language model's own chat template."""


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
