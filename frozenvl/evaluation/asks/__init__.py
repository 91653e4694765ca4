"""Request types of benchmarks: generate a text, choose or rank candidates, judge pairs, embed a prompt."""

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.asks.choose import Choose, Measure
from frozenvl.evaluation.asks.embed import Embed
from frozenvl.evaluation.asks.embed_and_choose import EmbedAndChoose
from frozenvl.evaluation.asks.generate import Generate
from frozenvl.evaluation.asks.match import Match
from frozenvl.evaluation.asks.rank import Rank

__all__ = ["Ask", "Choose", "Embed", "EmbedAndChoose", "Generate", "Match", "Measure", "Rank"]
