"""`Tuning`, the interface of tunings: weights of, or added to, the language model that are trained."""

from __future__ import annotations

from abc import ABC, abstractmethod

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.part import Part
from frozenvl.util.errors import UserError


def at_least_one(name: str, number: int) -> int:
    """Returns the number if it is 1 or more.

    Args:
        name: name of the argument, for the message.
        number: value to check.

    Raises:
        UserError: if it is less than 1.
    """
    if number < 1:
        raise UserError(f"model.tuning: {name} is {number}; give 1 or more")
    return number


class Tuning(Part, ABC):
    """Base class of tunings, which train weights of a language model or weights added to it."""

    @abstractmethod
    def attach(self, language: FrozenLanguageModel) -> None:
        """Attaches the tuning to a language model, once.

        Raises:
            UserError: if the architecture does not support it.
        """
