"""What a benchmark can ask of a model: to generate a text, to choose a candidate, to embed a prompt."""

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.asks.choose import Choose
from frozenvl.evaluation.asks.embed import Embed
from frozenvl.evaluation.asks.generate import Generate

__all__ = ["Ask", "Choose", "Embed", "Generate"]
