"""Options of commands that choose how a text is decoded: greedily, by beam search, or by sampling."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from frozenvl.util.arguments import count, positive, share
from frozenvl.util.errors import UserError


@dataclass(frozen=True)
class Decoding:
    """How a text is decoded: greedily by default, by beam search with several beams, by sampling with a temperature.

    Raises:
        UserError: if both beams and a temperature are given, or a number is out of range.
    """

    max_new_tokens: int = 32
    """Maximal length of the text, in tokens."""
    num_beams: int = 1
    """Number of beams; 1 for none."""
    temperature: float = 0.0
    """Temperature of sampling; 0 for the most likely token."""
    top_p: float = 1.0
    """Sampling draws from the most likely tokens whose probabilities add up to this."""
    seed: int = 0
    """Seed of sampling."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.num_beams < 1:
            raise UserError("a text needs at least one token, and a search at least one beam")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise UserError("a temperature is 0 or more, and top_p is above 0 and at most 1")
        if self.num_beams > 1 and self.temperature:
            raise UserError(
                "beams search for the most likely text and a temperature draws one; choose one of them"
            )
        if self.top_p < 1 and not self.temperature:
            raise UserError("top_p is for sampling; set a temperature, such as 0.7, or leave it out")

    @property
    def options(self) -> dict[str, Any]:
        """Options of `FrozenVL.generate`; none for greedy decoding."""
        if self.temperature:
            # transformers' own default would keep the 50 most likely tokens only.
            return {"do_sample": True, "temperature": self.temperature, "top_p": self.top_p, "top_k": 0}
        return {"num_beams": self.num_beams} if self.num_beams > 1 else {}

    def changed(self, max_new_tokens: int) -> dict[str, Any]:
        """Returns the fields that differ from a command's defaults.

        Args:
            max_new_tokens: default length of the command.
        """
        default = Decoding(max_new_tokens)
        return {name: value for name, value in vars(self).items() if value != getattr(default, name)}


def add_decoding_arguments(parser: argparse.ArgumentParser, max_new_tokens: int, what: str) -> None:
    """Adds `--max_new_tokens`, `--num_beams`, `--temperature`, `--top_p` and `--seed`.

    Args:
        parser: parser of the command.
        max_new_tokens: default length of a text, in tokens.
        what: name of the text, such as "the answer".
    """
    parser.add_argument(
        "--max_new_tokens",
        type=count,
        default=max_new_tokens,
        help=f"maximum length of {what}, in tokens (default: {max_new_tokens})",
    )
    options = parser.add_argument_group("decoding", "greedy by default")
    options.add_argument("--num_beams", type=count, default=1, help="number of beams of a beam search")
    options.add_argument("--temperature", type=positive, default=0.0, help="temperature of sampling")
    options.add_argument(
        "--top_p", type=share, default=1.0, help="share of the probability that sampling draws from"
    )
    options.add_argument("--seed", type=int, default=0, help="seed of sampling (default: 0)")


def decoding_of(args: argparse.Namespace) -> Decoding:
    """Returns the decoding that the options describe.

    Raises:
        UserError: if they do not fit each other.
    """
    return Decoding(args.max_new_tokens, args.num_beams, args.temperature, args.top_p, args.seed)
