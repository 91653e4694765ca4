"""Queries, requests and answers: the data exchanged between a benchmark and a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from frozenvl.prompt import Box, Image, Prompt

View = Literal["seeing", "test-blind", "text-only"]
"""How images are shown: "seeing" as they are, "test-blind" as black images, "text-only" without a visual prefix."""


@dataclass(frozen=True)
class Query:
    """A prompt to answer, with its references and labels."""

    id: str
    prompt: Prompt
    image_id: str
    """Id of the photograph. Bootstrap intervals resample photographs, with all queries about each."""
    references: tuple[str, ...] = ()
    """Correct answers, or human captions."""
    image: Image | None = None
    """Image to draw with the answer in the gallery."""
    question: str = ""
    """Text to draw with the answer in the gallery."""
    kind: dict[str, str] = field(default_factory=dict)
    """Labels to break scores down by, such as `answer_type`."""
    shared: int = 0
    """Number of leading prompt parts that all queries of the setting have in common."""
    scores: dict[str, float] = field(default_factory=dict)
    """Answer → soft score from 0 to 1, if the data set has soft scores."""
    candidates: tuple[str, ...] = ()
    """Answers that `Choose`, `Match` and `Rank` compare, each with its leading space; or the text that
    `Explain` explains."""
    boxes: tuple[Box, ...] = ()
    """Boxes of the objects that the query is about; empty if they are not known."""


@dataclass(frozen=True)
class Request:
    """A query with its prompt as one view shows it to the model."""

    query: Query
    prompt: Prompt
    """Prompt whose images are replaced or left out as the view requires."""
    shared: int
    """Number of leading prompt parts that all requests of the evaluation have in common."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A model's answer to a query."""

    query: Query
    text: str = ""
    """Text that is scored."""
    generated: str = ""
    """Generated text before it was cut at a stop text."""
    ended: bool = False
    """True if the text ended at the end token or a stop text, rather than at the length limit."""
    values: tuple[float, ...] = ()
    """Value of each candidate: its log-likelihood, in the measure of `Choose`, or its log-odds by `Match`."""
    vector: np.ndarray | None = None
    """Embedding (dim,) in fp32."""
    unreadable: str = ""
    """Reason why the prompt could not be read; empty if it was read."""
    text_values: tuple[float, ...] = ()
    """Log-probability of each candidate without any image, if it was computed."""
    mean_values: tuple[float, ...] = ()
    """Log-likelihood per token of each candidate, if it was computed."""
    explanation: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Numbers of an explanation by name, if it was computed; see `Explain`."""
    picture: np.ndarray | None = None
    """Drawn picture (height, width, 3), uint8."""
