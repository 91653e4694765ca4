"""The interface of tunings: what is trained of, or beside, the language model."""

from __future__ import annotations

from abc import ABC, abstractmethod

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.part import Part
from frozenvl.util.errors import UserError


def at_least_one(name: str, number: int) -> int:
    """The number, where that is one.

    Raises:
        UserError: where it is less.
    """
    if number < 1:
        raise UserError(f"model.tuning: {name} is {number}; give 1 or more")
    return number


class Tuning(Part, ABC):
    """What is trained of, or beside, a language model."""

    @abstractmethod
    def attach(self, language: FrozenLanguageModel) -> None:
        """Takes its place in a language model, once.

        Raises:
            UserError: where it cannot.
        """
