"""`Tokenizes`: texts to token ids and back, the border of prompt and target, and the wording of conversations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

from transformers import PreTrainedTokenizerBase

from frozenvl.model.chat_template import ChatTemplate, Special
from frozenvl.prompt import Delimiter, Image, Learned, Marker, Prompt
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

Worded: TypeAlias = "list[str | Image | Marker | Special]"
"""Prompt whose delimiters are replaced by texts and special tokens."""


class Tokenizes:
    """Mixin of `Processor` with the methods that need the tokeniser alone."""

    tokenizer: PreTrainedTokenizerBase
    language: str
    end: int
    start: list[int]
    max_target_tokens: int

    def encode(self, text: str) -> list[int]:
        """Returns the token ids of a text, without special tokens. Letters that spell a special token are letters."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []

    def decode(self, tokens: list[int]) -> str:
        """Returns the text of token ids, without special tokens."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    @cached_property
    def chat(self) -> ChatTemplate:
        """Chat template of the language model. Raises `UserError` if it has none."""
        return ChatTemplate(self.tokenizer, self.language, self.start, self.end)

    @cached_property
    def ends(self) -> frozenset[int]:
        """Ids of the tokens that end a text: the end token, and the end of a turn of the chat template."""
        try:
            return frozenset({self.end, self.chat.end} if self.tokenizer.chat_template else {self.end})
        except UserError:  # reported where the chat template is used
            return frozenset({self.end})

    def worded(self, prompt: Prompt) -> Worded:
        """Replaces the delimiters of a prompt by the texts and special tokens of the language model.

        Raises:
            UserError: if the language model has no chat template, or it does not suit.
        """
        if not any(isinstance(part, Delimiter) for part in prompt):
            return list(prompt)  # type: ignore[arg-type]
        worded: Worded = []
        content: Worded = []
        """Parts since the last delimiter: a message, or a reply."""
        replies = False
        for part in prompt:
            if not isinstance(part, Delimiter):
                content.append(part)
                continue
            if part.border == "end":
                worded += [*content, Special(self.end, part.learned)]
            elif part.border == "opening":
                worded += [*content, *self.chat.opening(part.text)]
            elif part.border == "reply":
                worded += [*self._trimmed(content), *self.chat.reply]
            elif part.border == "end of turn":
                worded += [*self._reply(content), Special(self.chat.end, part.learned)]
            else:
                worded += [*content, *self.chat.next]
            content, replies = [], part.border == "reply"
        if replies:  # what is generated begins with its own space
            return [*worded, *self._reply(content)] if content else worded
        return [*worded, *content]

    def _trimmed(self, content: Worded) -> Worded:
        """Returns a message without space at its ends, if the chat template trims messages."""
        made = list(content)
        if not self.chat.trims:
            return made
        if made and isinstance(made[0], str):
            made[0] = type(made[0])(made[0].lstrip())
        if made and isinstance(made[-1], str):
            made[-1] = type(made[-1])(made[-1].rstrip())
        return made

    def _reply(self, content: Worded) -> Worded:
        """Returns a reply with the spaces around it that the chat template writes."""
        text = "".join(part for part in content if isinstance(part, str))
        kind = Learned if any(isinstance(part, Learned) for part in content) else str
        return [kind(self.chat.lead + self.chat.trimmed(text) + self.chat.tail)]

    def target(self, prompt: Prompt, text: str) -> tuple[str, int]:
        """Returns the target text behind a prompt and its end token: a reply and the end of a turn, if it chats."""
        if prompt and isinstance(prompt[-1], Delimiter) and prompt[-1].border == "reply":
            return self.chat.lead + self.chat.trimmed(text) + self.chat.tail, self.chat.end
        return text, self.end

    def targets(self, text: str, target: str, end: int | None = None) -> list[int]:
        """Returns the token ids of a target after its prompt's last `text`, cut after `max_target_tokens`.

        The end token does not count; a cut target has none. See `continuation`.
        """
        tokens = self.continuation(text, target, end)
        return tokens if len(tokens) <= self.max_target_tokens + 1 else tokens[: self.max_target_tokens]

    def continuation(self, text: str, target: str, end: int | None = None) -> list[int]:
        """Returns the token ids of a target after its prompt's last `text`, with the end token.

        Args:
            text: last text of the prompt.
            target: whole target text.
            end: end token; by default the language model's.

        tok(text) + tok(target) must equal tok(text + target), because generation starts from the tokens of the prompt
        alone.

        Raises:
            UserError: if the tokeniser joins text and target across their border.
        """
        before, whole = self.encode(text), self.encode(text + target)
        if whole[: len(before)] != before:
            raise UserError(
                f"the tokeniser joins {text[-20:]!r} and {target[:20]!r} across the border of prompt and target; "
                "let the template's target begin with the space, and its query end without one"
            )
        return [*whole[len(before) :], self.end if end is None else end]

    def candidates(self, prompt: Prompt, texts: Iterable[str]) -> list[list[int]]:
        """Returns the token ids of texts after a prompt, each with its end token. They are never cut.

        Raises:
            UserError: if the tokeniser joins the prompt and a text.
        """
        before = text_of(self.worded(prompt)[-1:])
        return [self.continuation(before, *self.target(prompt, text)) for text in texts]

    def check_split(self, text: str, rests: Iterable[str]) -> None:
        """Checks that tok(text) + tok(rest) = tok(text + rest), for each rest.

        Raises:
            UserError: if the tokeniser joins text and rest across their border.
        """
        for rest in dict.fromkeys(rests):
            if text and rest and self.encode(text) + self.encode(rest) != self.encode(text + rest):
                raise UserError(
                    f"the tokeniser joins {text[-20:]!r} and {rest[:20]!r}, so a prompt cannot be shared up to "
                    "there; let the shared part end before or after an image"
                )

    def bytes_of(self, text: str, target: str, tokens: list[int], ended: bool) -> int:
        """Returns the number of UTF-8 bytes of a target that its tokens cover; fewer than all if it was cut.

        The end token counts 0 bytes, and so does a character that was cut in its middle.

        Args:
            text: last text of the prompt.
            target: whole target text.
            tokens: token ids that `targets` returned.
            ended: whether the last of them is the end token.
        """
        size = len(target.encode())
        if ended:
            return size
        # Computed from the bytes that were cut off, because some tokenisers drop a leading space when they decode.
        whole = self.encode(text + target)
        kept = whole[: len(self.encode(text)) + len(tokens)]
        return size - len(self.decode(whole).encode()) + len(self.decode(kept).rstrip("\ufffd").encode())

    def check_template(self, template: Template) -> None:
        """Checks that a template suits the language model.

        Raises:
            UserError: if its wording spells a special token, which would be read as letters, or it uses a chat template
                that the language model does not have.
        """
        special = self.tokenizer.all_special_tokens
        for name in ("query", "target", "separator", "induction"):
            if spelled := [token for token in special if token in getattr(template, name)]:
                raise UserError(
                    f"template.{name} spells {spelled[0]!r}, a special token of {self.language}; a template holds "
                    "text, which would be read letter by letter: leave it out (model.bos puts a start token in front)"
                )
        if template.chat:
            self.chat.opening(template.induction)


def text_of(part: Sequence[object]) -> str:
    """Returns the joined texts of a part of a prompt; empty if it is an image."""
    return "".join(piece for piece in part if isinstance(piece, str))


def runs(prompt: Worded) -> Iterator[Image | Marker | Special | list[str]]:
    """Yields the images, markers and special tokens of a prompt, and lists of the consecutive texts between them."""
    texts: list[str] = []
    for part in prompt:
        if isinstance(part, str):
            texts.append(part)
            continue
        if texts:
            yield texts
        yield part
        texts = []
    if texts:
        yield texts
