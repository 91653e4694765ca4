"""Evaluation sessions: a model under evaluation with the settings that all its benchmarks share."""

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
    """A model under evaluation with the settings that all its benchmarks share."""

    model: FrozenVL
    plain: Processor
    """Processor without a prefix cache: it reads each image every time."""
    folder: Path
    """Parent folder of the evaluations; each evaluation has a folder below it."""
    provenance: dict[str, Any]
    """Model, precision, image reading and versions, recorded with every score."""
    step: int
    """Number of optimiser steps that the model was trained for."""
    batch_size: int
    see: Callable[[Image], Image] = lambda image: image
    """Function from each image to the image that the model sees: a black one in a blind run."""
    views: Sequence[View] = ("seeing",)
    limit: int | float | None = None
    """Largest number of batches per setting (int), or the share of them (float); None for all."""
    rank: int = 0
    world_size: int = 1
    log: Callable[[str, float], None] = lambda key, value: None
    """Function that logs a score by its key."""
    loggers: Sequence[Any] = ()
    """Loggers of Lightning that receive the galleries."""
    resumable: bool = False
    """Whether predictions are saved batch by batch and reused by a later run."""
    prompt_caches: dict[Prompt, PromptCache | None] = field(default_factory=dict)
    """Shared beginning of prompts → its prompt cache; None if it cannot be cached."""

    @cached_property
    def processor(self) -> Processor:
        """Processor with a prefix cache: the prefix vectors of each image are computed once."""
        processor = copy(self.plain)
        processor.reader = PrefixCache(self.model, self.plain.reader)
        return processor

    def begin(self, requests: Sequence[Request]) -> tuple[PromptCache | None, list[Prompt]]:
        """Returns the prompt cache of the beginning that all requests share, and the remainder of each prompt.

        A beginning is computed once and used for all batches. The cache is None, and the remainders are whole prompts,
        if the requests share nothing, if the model cannot cache it, or if one of its images is unreadable.
        """
        shared = min(request.shared for request in requests)
        lead, caches = requests[0].prompt[:shared], self.prompt_caches
        if lead and lead not in caches:
            if (
                len(caches) > 1
            ):  # keep at most two: calibrated choices alternate between images and black images
                caches.clear()
            try:
                caches[lead] = self.model.prefill(self.processor, lead)
            except UserError:  # reading the whole prompts reports the error, if it remains
                caches[lead] = None
        cache = caches[lead] if lead else None
        return cache, [request.prompt[shared if cache else 0 :] for request in requests]
