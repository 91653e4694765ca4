"""`Conversation`: a conversation with a model, whose KV cache grows from turn to turn."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from frozenvl.model.batch import Batch
from frozenvl.model.language.conditioning import Conditioning, parts
from frozenvl.model.language.growing_cache import GrowingCache
from frozenvl.model.language.prepacked import prepacked
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Processor
from frozenvl.model.streaming import settled
from frozenvl.prompt import NO_IMAGE, Example, Image, ImageFile, Prompt, Turn, joined
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL


class Conversation:
    """A conversation with a model. Replies are greedy, and equal those after reading the whole conversation anew.

    An image is encoded once. A turn reads only the positions that are new: the message, what stands around it, and
    tokens of the last reply that its text is not split into. The weights must not change during a conversation.

    Args:
        model: model in eval mode.
        processor: the processor of this model.
        template: wording of messages and replies.
        system: system message; by default the template's task induction.
        shots: demonstrations in front of the first message.
        max_new_tokens: maximal length of a reply, in tokens.
    """

    def __init__(
        self,
        model: FrozenVL,
        processor: Processor,
        template: Template,
        system: str = "",
        shots: Sequence[Example] = (),
        max_new_tokens: int = 256,
    ) -> None:
        self.model = model
        if system:  # as a task induction: chat templates write it as a system message
            induction = system if template.chat else system + template.separator
            template = replace(template, induction=induction)
        self.template = template
        self.shots = tuple(shots)
        """Demonstrations; they may be changed between turns."""
        self.max_new_tokens = max_new_tokens
        self.turns: tuple[Turn, ...] = ()
        """Turns so far."""
        self.ended = True
        """Whether the last reply ended by itself, not at the length limit or by an interruption."""
        self._processor = copy(processor)
        if processor.reader.stage != "prefixes":
            self._processor.reader = PrefixCache(model, processor.reader)
        self._processor.check_template(template)
        self._cache = GrowingCache(model.language)

    def say(self, *message: str | Image | Path) -> str:
        """Says a message and returns the reply.

        Args:
            message: texts and images, in order. A path names an image file.

        Raises:
            UserError: if the message is empty, an image cannot be read, or the conversation is longer than the model's
                context. The turns stay as they were.
        """
        for _ in self.stream(*message):
            pass
        return self.turns[-1].reply

    def stream(self, *message: str | Image | Path) -> Generator[str]:
        """Says a message and yields the reply in pieces of whole words. Joined, they are the reply.

        If the caller stops, or on Ctrl-C, what was yielded is the reply.

        Args:
            message: texts and images, in order; see `say`.
        """
        said = joined(ImageFile(part) if isinstance(part, Path) else part for part in message)
        batch, room = self._read(said)
        shown, ended = "", False
        tokens: list[int] = []
        try:
            for so_far, ends in self._decode(batch, min(room, self.max_new_tokens)):
                tokens, ended = so_far, ends
                text = settled(self._processor.decode(tokens), self.template.stops).lstrip()
                if len(text) > len(shown):
                    piece, shown = text[len(shown) :], text
                    yield piece
            reply = self.template.answer(self._processor.decode(tokens))
            if len(reply) > len(shown):
                piece, shown = reply[len(shown) :], reply
                yield piece
        except (GeneratorExit, KeyboardInterrupt):
            ended = False
            raise
        finally:
            if shown or ended or len(tokens) >= min(room, self.max_new_tokens):
                self.turns, self.ended = (*self.turns, Turn(said, shown)), ended

    def undo(self) -> Turn:
        """Takes back the last turn and returns it.

        Raises:
            UserError: if there is none.
        """
        if not self.turns:
            raise UserError("there is no turn to undo")
        *before, last = self.turns
        self.turns = tuple(before)
        return last

    def _read(self, message: Prompt) -> tuple[Batch, int]:
        """Returns the prompt of the next reply as a batch of one row, and the number of positions left behind it."""
        if not message:
            raise UserError("the message is empty; give it a text or an image")
        turns = (*self.turns, Turn(message, ""))
        prompt = self.template.prompt(Example("", NO_IMAGE, "", turns=turns), self.shots)
        batch = self._processor([prompt]).to(self.model.device)
        used = self.model.language.soft_prompt_length + int(batch.lengths[0])
        limit = self.model.language.max_positions
        room = self.max_new_tokens if limit is None else limit - used
        if room < 1:
            raise UserError(
                f"the conversation is full: with this message it has {used} positions, {self.model.language.name} "
                f"only {limit}; undo turns, leave out demonstrations, or start anew"
            )
        return batch, room

    def _decode(self, batch: Batch, limit: int) -> Iterator[tuple[list[int], bool]]:
        """Yields the tokens of the reply so far, and whether it has ended, after each token."""
        model, prefix = self.model, self.model._prefix(batch)
        keys: list[Hashable] = self._keys(batch)
        with torch.no_grad():
            embeddings = model.embeddings(batch, prefix)
            seen: Conditioning | None = model.conditioning(batch, model.conditioner(prefix))
        last = seen and seen.columns(-1)
        image = keys[-1][-1]  # type: ignore[index]
        ends = model.language.end_tokens | self._processor.ends
        tokens: list[int] = []
        with prepacked(limit, model.language.model, *parts(seen)):
            hidden = self._cache.read(keys, embeddings, seen)
            while True:
                with torch.no_grad():
                    token = int(model.language.head(hidden).argmax(-1))
                if token in ends:
                    yield tokens, True
                    return
                tokens = [*tokens, token]
                text = self._processor.decode(tokens)
                stopped = any(stop in text for stop in self.template.stops)
                yield tokens, stopped
                if stopped or len(tokens) >= limit:
                    return
                hidden = self._cache.advance(token, (token, -1, -1, image), last)

    def _keys(self, batch: Batch) -> list[Hashable]:
        """Returns what each position of a row holds: token, place in its image, marker, and the last image."""
        k = max(1, self._processor.k)
        markers = batch.markers[0].tolist() if batch.markers.numel() else [-1] * batch.tokens.shape[1]
        columns = (batch.tokens[0].tolist(), batch.slots[0].tolist(), markers, batch.image_of[0].tolist())
        return [
            (token, slot % k if slot >= 0 else -1, marker, batch.image_keys[image] if image >= 0 else None)
            for token, slot, marker, image in zip(*columns, strict=True)
        ]
