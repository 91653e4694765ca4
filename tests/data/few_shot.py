"""Queries with a pool of demonstrations, and tasks with a support set."""

from __future__ import annotations

from toy import Rows, Square, question

from frozenvl.data.sources.scenes import SceneQuestions
from frozenvl.data.stream import Task, TrainingStream
from frozenvl.prompt import Learned, Sample
from frozenvl.wording import Template

SHARED = [Square(f"both{n}.png", (40 * n, 200, 30), 9) for n in range(3)]
QUERIES = Rows(*(question(n, SHARED[n]) for n in range(3)), question(3))
POOL = Rows(
    *(question(10 + n, SHARED[n % 3]) for n in range(6)),
    *(question(20 + n) for n in range(8)),
    question(30, answer="", references=()),
)


def prepared(way, queries=QUERIES, pool=POOL):
    way.prepare(queries, pool, lambda done, total: None)
    return way


QUESTIONS = SceneQuestions(size=24, resolution=64)  # four to each of six images
NAMING = Template("{image}This is a", " {target}")


def texts(sample: Sample) -> list[str]:
    """Returns the texts of a sample that the loss is on."""
    return [part for part in sample.prompt if isinstance(part, Learned)] + [sample.target]


def stream(task: Task, seed: int = 0) -> list[Sample]:
    made = TrainingStream({"episodes": task}, seed)
    return [made[position] for position in range(48)]
