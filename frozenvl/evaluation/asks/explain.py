"""Request type `Explain`: attribution maps of each prompt's image, and what the checks of maps need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from frozenvl.analysis.baselines import Baseline
from frozenvl.analysis.masking import DEFAULT_SIDE, Masking, edges
from frozenvl.analysis.method import Maps, Method
from frozenvl.analysis.randomised import randomised
from frozenvl.analysis.target import Target, TargetFunction
from frozenvl.evaluation.asks.ask import Ask
from frozenvl.evaluation.asks.generate import Generate
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.session import Session
from frozenvl.metrics.attribution import centre_map, random_map, removal_counts, removal_order
from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.util.errors import UserError

CONTROLS = ("random", "centre")
"""Names of the maps that look at nothing: random values, and the centre prior."""
RESERVED = (*CONTROLS, "image", "counts")
"""Names that a method cannot have."""


@dataclass(frozen=True)
class Explain(Ask):
    """Explains a text after each prompt by maps over the prompt's last image.

    The text is the query's only candidate, or else what the model itself generates. `Answer.explanation` holds these
    numbers, where METHOD is a name of `methods`, or `random` or `centre` in curves:

    - `image`: left, top, right and bottom of the image, as fractions of the square that maps are of; the rest is
      padding;
    - `METHOD`: the map, row by row; its sum is explained if the method is complete;
    - `METHOD/ends`: values of the image and of the method's baseline, in nats, if the method has a baseline;
    - `METHOD/steps`: number of steps, if the method raises it until the map is complete;
    - `METHOD/spread`: standard deviation of each cell over seeds, if the method draws at random;
    - `METHOD/PART`: the map of the same text after the weights of a part were randomised;
    - `METHOD/deletion`, `METHOD/insertion`: log-probability per token of the text, while the map's cells are replaced
      by the baseline, or come back, highest first. Cells that are padding alone are left out;
    - `counts`: how many cells are replaced at each point of these curves.

    Args:
        methods: methods by name.
        points: number of steps of the deletion and insertion curves; 0 for no curves.
        grid: number of cells per side that these curves delete. Maps of other grids are averaged to it.
        baseline: image that deleted cells show.
        randomised: names of parts whose weights are randomised in turn, such as "mapper".
        seed: seed of randomised weights.
        generate: how the text is generated if a query has no candidate.
        target: wording of a generated text as it would be trained on, with the field `{target}`.
    """

    gives_text = False
    shares_prompts = False
    needs_images = "maps show what the model sees in an image, and it sees none"
    needs_prefix = "maps show what the model sees in an image, and the prompts have none"

    methods: Mapping[str, Method] = field(default_factory=dict)
    points: int = 0
    grid: int = DEFAULT_SIDE
    baseline: Baseline = "mean"
    randomised: Sequence[str] = ()
    seed: int = 0
    generate: Generate = field(default_factory=Generate)
    target: str = "{target}"

    def __post_init__(self) -> None:
        if not self.methods:
            raise UserError(
                "an explanation needs methods: a name for each, with its class_path and init_args"
            )
        for name in self.methods:
            if name in RESERVED or "/" in name or not name:
                raise UserError(
                    f"a method cannot be named {name!r}: rename it, without / and not {', '.join(RESERVED)}"
                )
        if self.points < 0:
            raise UserError(f"points is {self.points}; a curve has one step or more, and 0 is none")

    @property
    def max_new_tokens(self) -> int:  # type: ignore[override]
        return self.generate.max_new_tokens

    def check(self, session: Session) -> None:
        """Raises `UserError` if the model lacks a part that is randomised."""
        for name in self.randomised:
            if name not in session.model.parts:
                raise UserError(
                    f"no part {name!r} to randomise; the model has {', '.join(session.model.parts)}"
                )

    def answer(
        self, requests: Sequence[Request], batch: Batch, prompt_cache: PromptCache | None, session: Session
    ) -> list[Answer]:
        texts = {r.query.id: r.query.candidates[0] for r in requests if r.query.candidates}
        own = [row for row, request in enumerate(requests) if not request.query.candidates]
        if own:
            part = batch.select(torch.tensor(own, device=batch.lengths.device))
            for made in self.generate.answer([requests[row] for row in own], part, prompt_cache, session):
                texts[made.query.id] = self.target.format(target=made.text) if made.text else ""
        # Lightning validates in inference mode, in which no gradient can be computed.
        with torch.inference_mode(False), torch.enable_grad():
            return [self._explained(request, texts[request.query.id], session) for request in requests]

    def _explained(self, request: Request, text: str, session: Session) -> Answer:
        if not text.strip():  # the model said nothing
            return Answer(request.query)

        def function() -> TargetFunction:
            return TargetFunction(session.model, session.plain, request.prompt, Target(text))

        target = function()
        values = {"image": tuple(edge / target.size for edge in target.box)}
        grids: dict[str, Tensor] = {}
        for name, method in self.methods.items():
            maps = method.maps(target)
            values |= {f"{name}{key}": numbers for key, numbers in _numbers(maps).items()}
            grids[name] = maps.values[0]
        if self.points:
            values |= self._curves(target, grids, request.query.id)
        for part in self.randomised:
            with randomised(session.model.parts[part], self.seed):
                other = function()
                for name, method in self.methods.items():
                    values[f"{name}/{part}"] = _flat(method.maps(other).values[0])
        return Answer(request.query, text.strip(), explanation=values)

    def _curves(
        self, target: TargetFunction, maps: Mapping[str, Tensor], key: str
    ) -> dict[str, tuple[float, ...]]:
        """Returns the deletion and insertion curves of maps, and of the controls: log-probability per token."""
        masking = Masking(target, self.grid, baseline=self.baseline)
        side = masking.side
        tokens = sum(len(word.tokens) for word in target.words)
        orders = {name: removal_order(_averaged(values, side), key) for name, values in maps.items()}
        controls = random_map(side, side, key), centre_map(side, side)
        orders |= {
            name: removal_order(control, key) for name, control in zip(CONTROLS, controls, strict=True)
        }
        seen = _cells_of_image(target, side)
        counts = removal_counts(len(seen), self.points)
        masks: dict[str, Tensor] = {}
        for name, order in orders.items():
            gone = _removed(order[np.isin(order, seen)], counts, masking.cells)
            masks |= {f"{name}/deletion": 1 - gone, f"{name}/insertion": gone}
        # All curves at once: batches are full, and images that curves share are computed once.
        values = masking(torch.cat([*masks.values()]).view(-1, side, side))[:, 0] / tokens
        parts = values.split([len(own) for own in masks.values()])
        curves = {name: _flat(part) for name, part in zip(masks, parts, strict=True)}
        return curves | {"counts": tuple(counts.tolist())}

    def provenance(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "methods": {name: settings_of(method) for name, method in self.methods.items()},
            "generated_text": self.generate.provenance(),
        }
        if self.points:
            facts["curves"] = {"points": self.points, "grid": self.grid, "baseline": self.baseline}
        if self.randomised:
            facts["randomised"] = {"parts": list(self.randomised), "seed": self.seed}
        return facts


def settings_of(method: Method) -> dict[str, Any]:
    """Returns a method's class path and settings."""
    kind = type(method)
    settings = {name: value for name, value in vars(method).items() if not name.startswith("_")}
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", **settings}


def _numbers(maps: Maps) -> dict[str, tuple[float, ...]]:
    """Returns the numbers of an explanation of one text, by the suffix of their name."""
    numbers = {"": _flat(maps.values[0])}
    if maps.value is not None and maps.value_at_baseline is not None:
        numbers["/ends"] = (float(maps.value[0]), float(maps.value_at_baseline[0]))
    if "steps" in maps.facts:
        numbers["/steps"] = (float(maps.facts["steps"][0]),)
    if maps.spread is not None:
        numbers["/spread"] = _flat(maps.spread[0])
    return numbers


def _cells_of_image(function: TargetFunction, side: int) -> np.ndarray:
    """Returns the cells of a grid that show a part of the image. Cells of padding alone never change."""
    left, top, right, bottom = function.box
    border = edges(function.size, side)
    rows, columns = (
        [cell for cell in range(side) if border[cell] < end and border[cell + 1] > start]
        for start, end in ((top, bottom), (left, right))
    )
    return np.array([row * side + column for row in rows for column in columns])


def _removed(order: np.ndarray, counts: np.ndarray, cells: int) -> Tensor:
    """Returns masks (points, cells) in which the first cells of an order are 1: as many as are counted."""
    removed = torch.zeros(len(counts), cells)
    for mask, count in zip(removed, counts, strict=True):
        mask[torch.from_numpy(order[:count].copy())] = 1
    return removed


def _flat(values: Tensor) -> tuple[float, ...]:
    return tuple(values.detach().float().cpu().flatten().tolist())


def _averaged(values: Tensor, side: int) -> np.ndarray:
    """Returns a map (rows, columns) as the means (side, side) of its cells."""
    return torch.nn.functional.adaptive_avg_pool2d(values[None].float().cpu(), side)[0].numpy()
