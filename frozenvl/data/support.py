"""Former place of `frozenvl.data.episodes`, for configurations that name it."""

from frozenvl.data.episodes import NewWords, Shots

__all__ = ["NewWords", "Shots"]
