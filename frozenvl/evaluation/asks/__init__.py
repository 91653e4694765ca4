"""Request types of benchmarks: generate a text, choose or rank candidates, judge pairs, embed, explain."""

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.asks.choose import Choose, Measure
from frozenvl.evaluation.asks.embed import Embed
from frozenvl.evaluation.asks.embed_and_choose import EmbedAndChoose
from frozenvl.evaluation.asks.explain import Explain
from frozenvl.evaluation.asks.generate import Generate
from frozenvl.evaluation.asks.match import Match
from frozenvl.evaluation.asks.rank import Rank

__all__ = ["Ask", "Choose", "Embed", "EmbedAndChoose", "Explain", "Generate", "Match", "Measure", "Rank"]
