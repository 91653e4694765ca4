"""Chat templates: the tokens that a language model was trained to see around the messages of a conversation."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from frozenvl.util.errors import UserError

DAY = datetime(2024, 7, 26)
"""Day that templates are told. Some write today's date into the system message, so the prompts of one run would differ
from day to day. This one is the day that Llama 3's templates name where they are told none."""


class Special(NamedTuple):
    """A special token inside a prompt."""

    id: int
    learned: bool = False


class ChatTemplate:
    """Chat template of a tokeniser, cut into the pieces between messages.

    The template is rendered with placeholders for messages, once. So it never sees the texts of a data set: it cannot
    change them, and a text that spells a special token stays text. In front of each reply stands what the template
    writes when it asks for one (its generation prompt), so a conversation reads the same in training, in generation and
    in its later turns. Templates that can switch thinking off are told to.

    Args:
        tokenizer: tokeniser with a chat template.
        name: name of the language model, for messages.
        start: tokens that prompts begin with. The template's own are left out if they are the same.
        end: token that ends a reply if the template writes no special token behind it.

    Raises:
        UserError: if the tokeniser has no chat template, or it does not word a conversation of two turns.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str, start: list[int], end: int) -> None:
        self.tokenizer, self.name, self.start = tokenizer, name, start
        if not tokenizer.chat_template:
            raise UserError(
                f"{name}: its tokeniser has no chat template; leave template.chat out, or choose a model that was "
                "trained on conversations"
            )
        asked = self._rendered(("user",))
        self._first, generation = asked
        told = self._rendered(("user", "assistant", "user"))
        between, behind = told[1:3]
        # In front of a reply, some templates write more than they do when they ask for one: a space, an empty thought.
        before = between if between.startswith(generation) else generation
        reply = before.rstrip(" ")
        self.lead = before[len(reply) :]
        """Space in front of a reply. It belongs to the reply, as tokenisers join spaces with words."""
        pieces = self._split(behind)
        place = next((at for at, piece in enumerate(pieces) if isinstance(piece, Special)), None)
        self.tail = "" if place is None else "".join(str(piece) for piece in pieces[:place])
        """Text between a reply and its end."""
        self.end = end if place is None else pieces[place].id  # type: ignore[union-attr]
        """Token that ends a reply."""
        self.reply: list[str | Special] = self._split(reply)
        """Texts and special tokens between a message and the reply."""
        self.next: list[str | Special] = pieces if place is None else pieces[place + 1 :]
        """Texts and special tokens between the end of a turn and the next message."""

    def opening(self, system: str) -> list[str | Special]:
        """Returns the texts and special tokens in front of the first message.

        Args:
            system: system message; empty for the template's own, if it has one.

        Raises:
            UserError: if the template takes no system message.
        """
        if not system:
            pieces = self._split(self._first)
        else:
            before, behind = self._with_system
            pieces = [*self._split(before), self.trimmed(system), *self._split(behind)]
        start = [Special(token) for token in self.start]
        return pieces[len(start) :] if start and pieces[: len(start)] == start else pieces

    @cached_property
    def _with_system(self) -> list[str]:
        refused = f"{self.name}: its chat template takes no system message; leave out template.induction"
        try:
            return self._rendered(("system", "user"))[:2]
        except UserError:
            raise UserError(refused) from None

    @cached_property
    def trims(self) -> bool:
        """Whether the template takes white space off the ends of messages."""
        return "  " not in "".join(self._rendered(("user",), space="  "))

    def trimmed(self, text: str) -> str:
        """Returns a message as the template would word it: without space at its ends, if the template trims."""
        return text.strip() if self.trims else text

    def _rendered(self, roles: tuple[str, ...], space: str = "") -> list[str]:
        """Renders messages of some roles, and returns the texts in front of, between and behind their contents.

        Args:
            roles: roles of the messages. If the last is the user's, a reply is asked for.
            space: space around each content. It is returned with the texts around, if the template keeps it.

        Raises:
            UserError: if the template refuses such messages, or leaves out, repeats or reorders contents.
        """
        marks = [f"\ue000{number}\ue001" for number in range(len(roles))]
        messages = [
            {"role": role, "content": f"{space}{mark}{space}"}
            for role, mark in zip(roles, marks, strict=True)
        ]
        known: dict[str, Any] = {
            "enable_thinking": False,
            "strftime_now": DAY.strftime,
            "date_string": DAY.strftime("%d %b %Y"),
        }
        said = "-".join(roles)
        try:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=roles[-1] == "user", **known
            )
        except Exception as error:  # templates raise errors of their own, and any of jinja's
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{self.name}: its chat template refuses messages of {said} ({reason})"
            ) from error
        texts = re.split("|".join(map(re.escape, marks)), str(text))
        found = re.findall("|".join(map(re.escape, marks)), str(text))
        if found != marks:
            raise UserError(
                f"{self.name}: its chat template does not write each of the messages {said} once and in order; "
                "leave template.chat out"
            )
        return texts

    @cached_property
    def _tokens(self) -> dict[str, Any]:
        """Tokens that the tokeniser takes as a whole, by their text."""
        return {
            token.content: (number, token) for number, token in self.tokenizer.added_tokens_decoder.items()
        }

    def _split(self, text: str) -> list[str | Special]:
        """Cuts a text of the template into special tokens and the texts between them, as the tokeniser does."""
        if not self._tokens:
            return [text] if text else []
        longest_first = sorted(self._tokens, key=len, reverse=True)
        pieces: list[str | Special] = []
        strips = False
        for part in re.split("(" + "|".join(map(re.escape, longest_first)) + ")", text):
            if part in self._tokens:
                number, token = self._tokens[part]
                if token.lstrip and pieces and isinstance(pieces[-1], str):
                    pieces[-1] = pieces[-1].rstrip()
                pieces.append(Special(number))
                strips = token.rstrip
            else:
                pieces.append(part.lstrip() if strips else part)
        return [piece for piece in pieces if piece != ""]
