"""`Tokenizes`: texts to token ids and back, the border of prompt and target, and the wording of conversations."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any, TypeAlias

from transformers import PreTrainedTokenizerBase

from frozenvl.model.chat_template import ChatTemplate, Special
from frozenvl.prompt import Border, Delimiter, Image, Learned, Marker, Prompt
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

Worded: TypeAlias = "list[str | Image | Marker | Special]"
"""Prompt whose delimiters are replaced by texts and special tokens."""


class Tokenizes:
    """Mixin of `Processor` with the methods that need the tokeniser alone."""

    tokenizer: PreTrainedTokenizerBase
    language: str
    end: int
    max_target_tokens: int

    def encode(self, text: str, inside: bool = False) -> list[int]:
        """Returns the token ids of a text, without special tokens. Letters that spell a special token are letters.

        Args:
            text: text of a prompt.
            inside: whether it follows a special token. Some tokenisers put a space in front of the first text only.
        """
        if not text:
            return []
        tokenizer = self._tokenizer_inside if inside else self.tokenizer
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    @cached_property
    def _tokenizer_inside(self) -> PreTrainedTokenizerBase:
        """Tokeniser of texts that follow a special token."""
        before = getattr(getattr(self.tokenizer, "backend_tokenizer", None), "pre_tokenizer", None)
        first = b'"prepend_scheme":"first"'
        if before is None or first not in (state := before.__getstate__()):
            return self.tokenizer
        made: Any = copy.deepcopy(self.tokenizer)
        before = made.backend_tokenizer.pre_tokenizer
        before.__setstate__(state.replace(first, b'"prepend_scheme":"never"'))
        made.backend_tokenizer.pre_tokenizer = before
        return made

    def decode(self, tokens: list[int]) -> str:
        """Returns the text of token ids, without special tokens."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    @cached_property
    def chat(self) -> ChatTemplate:
        """Chat template of the language model. Raises `UserError` if it has none."""
        return ChatTemplate(self.tokenizer, self.language, self.end)

    @property
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
        last: Border | None = None
        for part in prompt:
            if not isinstance(part, Delimiter):
                content.append(part)
                continue
            worded += self._content(content, last, part.border)
            if part.border == "opening":
                worded += self.chat.opening(part.text)
            elif part.border == "reply":
                worded += self.chat.reply
            elif part.border == "next":
                worded += self.chat.next
            else:
                worded.append(Special(self.end if part.border == "end" else self.chat.end, part.learned))
            content, last = [], part.border
        return [*worded, *self._content(content, last, None)]

    def _content(self, content: Worded, last: Border | None, following: Border | None) -> Worded:
        """Returns a message or a reply, or a piece of one, as the chat template words it.

        Args:
            content: texts and images of the message.
            last: delimiter in front; None if the prompt begins inside the message, as behind a prompt cache.
            following: delimiter behind; None at the end of the prompt.
        """
        if not content:
            return []
        if last == "reply" or following == "end of turn":
            text = self.chat.worded_reply("".join(part for part in content if isinstance(part, str)))
            return [Learned(text) if any(isinstance(part, Learned) for part in content) else text]
        made = list(content)
        if not (last in ("opening", "next") or following == "reply") or not self.chat.trims("user"):
            return made
        if last in ("opening", "next") and isinstance(made[0], str):
            made[0] = made[0].lstrip()
        if following == "reply" and isinstance(made[-1], str):
            made[-1] = made[-1].rstrip()
        return [part for part in made if part != ""]

    def target(self, prompt: Prompt, text: str) -> tuple[str, int]:
        """Returns the target text behind a prompt and its end token: a reply and the end of a turn, if it chats."""
        if prompt and isinstance(prompt[-1], Delimiter) and prompt[-1].border == "reply":
            return self.chat.worded_reply(text), self.chat.end
        return text, self.end

    def targets(self, text: str, target: str, end: int | None = None, inside: bool = False) -> list[int]:
        """Returns the token ids of a target after its prompt's last `text`, cut after `max_target_tokens`.

        The end token does not count; a cut target has none. See `continuation`.
        """
        tokens = self.continuation(text, target, end, inside)
        return tokens if len(tokens) <= self.max_target_tokens + 1 else tokens[: self.max_target_tokens]

    def continuation(self, text: str, target: str, end: int | None = None, inside: bool = False) -> list[int]:
        """Returns the token ids of a target after its prompt's last `text`, with the end token.

        Args:
            text: last text of the prompt.
            target: whole target text.
            end: end token; by default the language model's.
            inside: whether the text follows a special token.

        tok(text) + tok(target) must equal tok(text + target), because generation starts from the tokens of the prompt
        alone.

        Raises:
            UserError: if the tokeniser joins text and target across their border.
        """
        before, whole = self.encode(text, inside), self.encode(text + target, inside)
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
        before, inside = last_text(self.worded(prompt))
        return [self.continuation(before, *self.target(prompt, text), inside) for text in texts]

    def check_split(self, text: str, rests: Iterable[str], inside: bool = False) -> None:
        """Checks that tok(text) + tok(rest) = tok(text + rest), for each rest.

        Args:
            text: last text of the leading part.
            rests: first text of each rest.
            inside: whether the text follows a special token.

        Raises:
            UserError: if the tokeniser joins text and rest across their border.
        """
        for rest in dict.fromkeys(rests):
            whole = self.encode(text + rest, inside)
            if rest and self.encode(text, inside) + self.encode(rest) != whole:
                raise UserError(
                    f"the tokeniser joins {text[-20:]!r} and {rest[:20]!r}, so a prompt cannot be shared up to "
                    "there; let the shared part end before or after an image"
                )

    def bytes_of(self, text: str, target: str, tokens: list[int], ended: bool, inside: bool = False) -> int:
        """Returns the number of UTF-8 bytes of a target that its tokens cover; fewer than all if it was cut.

        The end token counts 0 bytes, and so does a character that was cut in its middle.

        Args:
            text: last text of the prompt.
            target: whole target text.
            tokens: token ids that `targets` returned.
            ended: whether the last of them is the end token.
            inside: whether the text follows a special token.
        """
        size = len(target.encode())
        if ended:
            return size
        # Computed from the bytes that were cut off, because some tokenisers drop a leading space when they decode.
        whole = self.encode(text + target, inside)
        kept = whole[: len(self.encode(text, inside)) + len(tokens)]
        return size - len(self.decode(whole).encode()) + len(self.decode(kept).rstrip("\ufffd").encode())

    def check_template(self, template: Template) -> None:
        """Checks that a template suits the language model.

        Raises:
            UserError: if its wording spells a special token, which would be read as letters, or it uses a chat template
                that the language model does not have.
        """
        special = special_tokens(self.tokenizer)
        for name in ("query", "target", "separator", "induction"):
            if spelled := [token for token in special if token in getattr(template, name)]:
                raise UserError(
                    f"template.{name} spells {spelled[0]!r}, a special token of {self.language}; a template holds "
                    "text, which would be read letter by letter: leave it out (model.bos puts a start token in front)"
                )
        if template.chat:
            self.chat.opening(template.induction)


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Returns all special tokens of a tokeniser. transformers' `all_special_tokens` has only those that it names."""
    added = tokenizer.added_tokens_decoder.values()
    return list(
        dict.fromkeys([*tokenizer.all_special_tokens, *(token.content for token in added if token.special)])
    )


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


def first_text(worded: Worded) -> str:
    """Returns the text that a prompt begins with; empty if it begins with anything else."""
    return "".join(str(part) for part in takewhile(lambda part: isinstance(part, str), worded))


def last_text(worded: Worded) -> tuple[str, bool]:
    """Returns the text that a prompt ends with, and whether it follows a special token."""
    texts = list(takewhile(lambda part: isinstance(part, str), reversed(worded)))
    rest = worded[: len(worded) - len(texts)]
    return "".join(map(str, reversed(texts))), bool(rest) and isinstance(rest[-1], Special)
