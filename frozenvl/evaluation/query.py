"""What passes between a benchmark and a model: queries, requests, answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from frozenvl.prompt import Image, Prompt

View = Literal["seeing", "test-blind", "text-only"]
"""How images are shown: as they are; black (blind at test only); not at all, without even a prefix."""


@dataclass(frozen=True)
class Query:
    """A prompt to answer, and what is known about it."""

    id: str
    prompt: Prompt
    image_id: str
    """Queries about one photograph share it: intervals resample photographs."""
    references: tuple[str, ...] = ()
    """Right answers."""
    image: Image | None = None
    """The image to show beside the answer."""
    question: str = ""
    kind: dict[str, str] = field(default_factory=dict)
    """Labels to break scores down by, such as `answer_type`."""
    shared: int = 0
    """Number of leading parts of the prompt that all queries of the setting have in common."""
    scores: dict[str, float] = field(default_factory=dict)
    """Answer → score from 0 to 1, where a data set has soft scores."""
    candidates: tuple[str, ...] = ()
    """Answers that `Choose` chooses among, each with its leading space."""


@dataclass(frozen=True)
class Request:
    """A query as one view shows it to the model."""

    query: Query
    prompt: Prompt
    shared: int


@dataclass(frozen=True, eq=False)
class Answer:
    """A model's answer to a query."""

    query: Query
    text: str = ""
    """The text that is scored."""
    generated: str = ""
    """The text as it was generated, before it was cut at a stop text."""
    ended: bool = False
    """True where the text ended by itself, rather than at the length limit."""
    values: tuple[float, ...] = ()
    """The compared log-probability of each candidate."""
    vector: np.ndarray | None = None
    """(dim,) embedding in fp32."""
    unreadable: str = ""
    """Why the prompt could not be read; else empty."""
