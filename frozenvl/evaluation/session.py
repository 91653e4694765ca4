"""A model under evaluation, and where and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from frozenvl.evaluation.query import Request, View
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Processor
from frozenvl.prompt import Image, Prompt
from frozenvl.util.errors import UserError


@dataclass(frozen=True)
class Session:
    """A model under evaluation, and where and how it is evaluated."""

    model: FrozenVL
    plain: Processor
    """Reads images one by one."""
    folder: Path
    """Where each evaluation has a folder."""
    provenance: dict[str, Any]
    """The model, how it runs, versions."""
    step: int
    batch_size: int
    see: Callable[[Image], Image] = lambda image: image
    """The image that a run shows in an image's place."""
    views: Sequence[View] = ("seeing",)
    limit: int | float | None = None
    """Number of batches of a setting, or their share."""
    rank: int = 0
    world_size: int = 1
    log: Callable[[str, float], None] = lambda key, value: None
    loggers: Sequence[Any] = ()
    resumable: bool = False
    """Whether predictions are kept as they come, and used again by a later run."""
    prompt_caches: dict[Prompt, PromptCache | None] = field(default_factory=dict)

    @cached_property
    def processor(self) -> Processor:
        """Reads the prefix vectors of images; each image's are computed once."""
        processor = copy(self.plain)
        processor.reader = PrefixCache(self.model, self.plain.reader)
        return processor

    def begin(self, requests: Sequence[Request]) -> tuple[PromptCache | None, list[Prompt]]:
        """The prompt cache of the beginning that the requests share, and the remainder of each prompt.

        A beginning is computed once for all batches. There is no cache where nothing is shared, where the model cannot
        share it, or where an image of it is unreadable.
        """
        shared = min(request.shared for request in requests)
        lead, caches = requests[0].prompt[:shared], self.prompt_caches
        if lead and lead not in caches:
            if len(caches) > 1:  # two: a view's, and its black counterpart's
                caches.clear()
            try:
                caches[lead] = self.model.prefill(self.processor, lead)
            except UserError:  # the whole prompts raise it again, if need be
                caches[lead] = None
        cache = caches[lead] if lead else None
        return cache, [request.prompt[shared if cache else 0 :] for request in requests]
