"""Former path of `frozenvl.data.episodes`, kept for configurations that name it."""

from frozenvl.data.episodes import NewWords, Shots

__all__ = ["NewWords", "Shots"]
