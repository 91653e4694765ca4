"""Episodes: in-context demonstrations in front of a query, drawn for training and for evaluation."""

from frozenvl.data.episodes.fixed import Fixed
from frozenvl.data.episodes.new_words import NewWords
from frozenvl.data.episodes.shots import PerQuestion, Shots

__all__ = ["Fixed", "NewWords", "PerQuestion", "Shots"]
