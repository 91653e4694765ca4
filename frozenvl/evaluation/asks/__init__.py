"""Request types of benchmarks: generate a text, choose or rank candidates, judge pairs, embed, explain, draw."""

from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.asks.choose import Choose, Measure
from frozenvl.evaluation.asks.draw import Draw
from frozenvl.evaluation.asks.embed import Embed
from frozenvl.evaluation.asks.embed_and_choose import EmbedAndChoose
from frozenvl.evaluation.asks.explain import Explain
from frozenvl.evaluation.asks.generate import Generate
from frozenvl.evaluation.asks.match import Match
from frozenvl.evaluation.asks.rank import Rank
from frozenvl.evaluation.asks.reconstruct import Reconstruct
from frozenvl.evaluation.asks.reranked import Rerank, Reranked

__all__ = [
    "Ask",
    "Choose",
    "Draw",
    "Embed",
    "EmbedAndChoose",
    "Explain",
    "Generate",
    "Match",
    "Measure",
    "Rank",
    "Reconstruct",
    "Rerank",
    "Reranked",
]
