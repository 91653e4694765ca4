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
SETTINGS: dict[str, Any] = {"enable_thinking": False, "date_string": DAY.strftime("%d %b %Y")}
"""Variables that chat templates are told. Each knows some of them."""
DIRECTIVES = {f"%{letter}": DAY.strftime(f"%{letter}") for letter in "aAbBdHIjmMpSyY"}
# transformers replaces functions among the variables by their names, so the day is told by a macro in front.
FIXED_DAY = (
    "{%- macro strftime_now(format) -%}{{ format"
    + "".join(f' | replace("{directive}", "{text}")' for directive, text in DIRECTIVES.items())
    + " }}{%- endmacro -%}"
)
"""Definition in front of chat templates: their function `strftime_now` formats the fixed day."""


class Special(NamedTuple):
    """A special token inside a prompt."""

    id: int
    learned: bool = False


class ChatTemplate:
    """Chat template of a tokeniser, cut into the pieces between messages.

    The template is rendered with placeholders for messages, once. So it never sees the texts of a data set: it cannot
    change them, and a text that spells a special token stays text. In front of each reply stands what the template
    writes when it asks for one (its generation prompt), so a conversation reads the same in training, in generation and
    in its later turns. Templates that can switch thinking off are told to; a thought that a generation prompt opens all
    the same is left out, as in the history of a conversation.

    Args:
        tokenizer: tokeniser with a chat template.
        name: name of the language model, for messages.
        end: token that ends a reply if the template writes no special token behind it.

    Raises:
        UserError: if the tokeniser has no chat template, or it does not word a conversation of two turns.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str, end: int) -> None:
        self.tokenizer, self.name = tokenizer, name
        self._trims: dict[str, bool] = {}
        if not tokenizer.chat_template:
            raise UserError(
                f"{name}: its tokeniser has no chat template; leave template.chat out, or choose a model that was "
                "trained on conversations"
            )
        self._first, generation = self._rendered(("user",))
        between, behind = self._rendered(("user", "assistant", "user"))[1:3]
        # In front of a reply, some templates write more than they do when they ask for one: a space, a channel.
        opens_thought = generation.count("<think>") > generation.count("</think>")
        before = between if between.startswith(generation) or opens_thought else generation
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
            return self._split(self._first)
        before, behind = self._with_system
        text = system.strip() if self.trims("system") else system
        return [*self._split(before), text, *self._split(behind)]

    def worded_reply(self, text: str) -> str:
        """Returns a reply with the spaces around it that the template writes."""
        return self.lead + (text.strip() if self.trims("assistant") else text) + self.tail

    @cached_property
    def _with_system(self) -> list[str]:
        try:
            return self._rendered(("system", "user"))[:2]
        except UserError:
            raise UserError(
                f"{self.name}: its chat template takes no system message; leave out the task induction "
                "(template.induction), or the system messages of the data"
            ) from None

    def trims(self, role: str) -> bool:
        """Returns whether the template takes white space off the ends of the messages of a role."""
        if role not in self._trims:
            roles = ("system", "user") if role == "system" else ("user", "assistant", "user")
            self._trims[role] = self._rendered(roles, role) == self._rendered(roles)
        return self._trims[role]

    def _rendered(self, roles: tuple[str, ...], spaced: str = "") -> list[str]:
        """Renders messages of some roles, and returns the texts in front of, between and behind their contents.

        Args:
            roles: roles of the messages. If the last is the user's, a reply is asked for.
            spaced: role whose contents have spaces around them. They are returned with the texts around the content, if
                the template keeps them.

        Raises:
            UserError: if the template refuses such messages, or leaves out, repeats or reorders contents.
        """
        marks = [f"\ue000{number}\ue001" for number in range(len(roles))]
        contents = [f" {mark} " if role == spaced else mark for role, mark in zip(roles, marks, strict=True)]
        refused = ""
        for as_list in (False, True):  # templates of vision-language models want lists
            messages: Any = [
                {"role": role, "content": [{"type": "text", "text": content}] if as_list else content}
                for role, content in zip(roles, contents, strict=True)
            ]
            try:
                text = self.tokenizer.apply_chat_template(
                    messages,
                    chat_template=FIXED_DAY + self.tokenizer.get_chat_template(),
                    tokenize=False,
                    add_generation_prompt=roles[-1] == "user",
                    **SETTINGS,
                )
            except Exception as error:  # templates raise errors of their own, and any of jinja's
                refused = refused or f"refuses them ({' '.join(str(error).split())[:200]})"
                continue
            parts = re.split("(" + "|".join(map(re.escape, marks)) + ")", str(text))
            if parts[1::2] == marks:
                return parts[::2]
            refused = refused or "does not write each of them once and in order"
        raise UserError(
            f"{self.name}: its chat template does not suit messages of {'-'.join(roles)}: it {refused}; leave "
            "template.chat out"
        )

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
