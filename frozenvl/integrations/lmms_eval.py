"""Models of this package in lmms-eval 0.7: `python -m lmms_eval --model frozenvl --model_args run=runs/x --tasks …`.

lmms-eval finds `manifest` by the entry point `frozenvl` of the group `lmms_eval.models`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import torch
from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms
from lmms_eval.models.registry_v2 import ModelManifest

from frozenvl.integrations.harness import Document, HarnessModel
from frozenvl.util.errors import UserError


def manifest() -> ModelManifest:
    """Returns what lmms-eval registers: the name `frozenvl` and the class behind it."""
    return ModelManifest("frozenvl", simple_class_path=f"{__name__}.{LmmsEvalModel.__name__}")


class LmmsEvalModel(lmms):
    """A trained model that lmms-eval evaluates.

    Args:
        run: folder of a run, checkpoint or exported folder.
        batch_size: number of prompts in a batch.
        end_token: whether the end token after a choice counts, as in this package's benchmarks. lmms-eval's own models
            leave it out.
        device: device, such as "cuda:1"; by default the GPU with the number `LOCAL_RANK`, or the first.
        max_batch_size: not used. lmms-eval gives it to every model.
        options: `template`, `shots`, `pool` and `seed` of `HarnessModel`.
    """

    is_simple = True

    def __init__(
        self,
        run: str,
        batch_size: int | str = 1,
        end_token: bool = False,
        device: str | None = None,
        max_batch_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if not str(batch_size).isdecimal() or not int(batch_size):
            raise UserError(f"batch_size is {batch_size}; give a number of prompts")
        if unknown := options.keys() - {"template", "shots", "pool", "seed"}:
            raise UserError(
                f"model_args has {min(unknown)!r}; known: run, template, shots, pool, seed, end_token"
            )
        self.end_token = end_token
        if torch.cuda.is_available() and device is None:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        self.answering = HarnessModel(run, int(batch_size), **options)
        if device is not None:
            self.answering.model.to(device)

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.answering.model.device

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Returns the text that the model writes for each request."""
        documents, options = [], []
        for request in requests:
            context, given, visuals, *place = request.args
            documents.append(self._document(context, visuals, *place))
            options.append(given)
        return self._model().generate(documents, options)

    def generate_until_multi_round(self, requests: list[Instance]) -> list[list[str]]:
        """Returns the texts of all rounds of each request. The task words each round, given the answers before it."""
        rounds: list[list[str]] = [[] for _ in requests]
        info: list[Any] = [None] * len(requests)
        active = list(range(len(requests)))
        number = 0
        while active:
            asked: list[int] = []
            documents = []
            for index in active:
                context, _, visuals, next_round, *place = requests[index].args
                if number:
                    seen, context, done, said, info[index] = next_round(
                        self._doc(*place),
                        previous_output=rounds[index],
                        round_idx=number,
                        previous_round_info=info[index],
                    )
                    rounds[index] = list(said)
                    if done:
                        continue
                    visuals = partial(lambda images, doc: images, seen)
                asked.append(index)
                documents.append(self._document(context, visuals, *place, number))
            texts = self._model().generate(documents, [requests[index].args[1] for index in asked])
            for index, text in zip(asked, texts, strict=True):
                rounds[index].append(text)
            active, number = asked, number + 1
        return rounds

    def loglikelihood(self, requests: list[Instance]) -> list[GenerationResult]:
        """Returns (summed log-probability, whether greedy decoding writes the text) of each request's text.

        Where this lmms-eval takes the choice of the *smallest* number (`smallest_wins`), choices get minus that.
        """
        documents, texts, signs = [], [], []
        for request in requests:
            if len(request.args) != 6:
                raise UserError("acc_mutual_info asks for texts without a document; leave this metric out")
            context, text, visuals, *place = request.args
            chooses = isinstance(text, str)
            texts.append(text if chooses else text(self._doc(*place)))
            signs.append(-1 if chooses and smallest_wins() else 1)
            documents.append(self._document(context, visuals, *place))
        found = self._model().loglikelihoods(documents, texts)
        values = [one.logp if self.end_token else one.logp - one.end for one in found]
        # lmms-eval would make a text of a bare pair.
        return [
            GenerationResult((sign * value, one.greedy))  # type: ignore[arg-type]
            for sign, value, one in zip(signs, values, found, strict=True)
        ]

    def _model(self) -> HarnessModel:
        self.answering.visible = self.rank == 0
        return self.answering

    def _doc(self, index: int, task: str, split: str) -> Any:
        return self.task_dict[task][split][index]

    def _document(
        self, text: str, visuals: Callable[[Any], Any] | None, index: int, task: str, split: str, *more: int
    ) -> Document:
        name = "/".join(map(str, (task, split, index, *more)))
        return Document(name, text, lambda: visuals(self._doc(index, task, split)) if visuals else None)


@cache
def smallest_wins() -> bool:
    """Tells whether the multiple choice of this lmms-eval takes the choice of the smallest number, as a loss.

    0.7.3 does, though its models are to return log-probabilities (lmms-eval, issue 370).
    """
    from lmms_eval.api.task import ConfigurableTask

    task: Any = SimpleNamespace(
        OUTPUT_TYPE="multiple_choice",
        config=SimpleNamespace(process_results=None),
        _metric_fn_list={"acc": None},
        doc_to_choice=lambda doc: ["a", "b"],
        doc_to_target=lambda doc: 0,
        multiple_input=False,
        multiple_target=False,
    )
    pairs: Sequence[tuple[float, bool]] = [(-2.0, False), (-1.0, False)]
    return bool(ConfigurableTask.process_results.__wrapped__(task, {}, pairs)["acc"])
