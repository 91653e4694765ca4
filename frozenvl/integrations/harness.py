"""A trained model that answers the requests of an evaluation harness, such as lmms-eval.

Prompts are worded, batched and computed as those of the package's own benchmarks, so that answers are equal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import PIL.Image
import yaml

from frozenvl.data.episodes.demonstrations import pick
from frozenvl.data.order import Permutation
from frozenvl.data.registry import source_class
from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Generate
from frozenvl.evaluation.asks.choose import likelihoods_of
from frozenvl.evaluation.query import Query, Request
from frozenvl.evaluation.session import Session
from frozenvl.integrations.harness_images import images_of, interleaved, pixel_digest
from frozenvl.model.language.loglikelihood import Likelihood
from frozenvl.prompt import NO_IMAGE, Example, Image, Turn, black, with_images
from frozenvl.retrieval.load import load_model
from frozenvl.training.trained_run import as_template, made, read_config, run_folder, run_sampling
from frozenvl.util.errors import UserError
from frozenvl.util.progress import progress_line
from frozenvl.wording import Template

MAX_NEW_TOKENS = 128
"""Length limit of an answer in tokens, for tasks that set none."""
SAMPLING_ONLY = ("temperature", "top_p", "top_k", "min_p")
"""Options that matter to sampling only. Tasks give them beside `do_sample: false`, too."""
OF_OTHERS = ("image_aspect_ratio",)
"""Options that tasks hold for particular other models."""


@dataclass(frozen=True)
class Document:
    """A prompt of a harness: a text and images."""

    id: str
    """Identifier, unique within the requests."""
    text: str
    visuals: Callable[[], Any] = field(compare=False, repr=False)
    """Returns images of Pillow, names of files, or lists of them; None for nothing."""


class HarnessModel:
    """A trained model, with the wording and the demonstrations that it answers documents with.

    Args:
        run: folder of a run, checkpoint or exported folder.
        batch_size: number of prompts in a batch.
        template: YAML file with the fields of a template. By default, documents with a text are worded as the run's
            questions, and others as its captions. A template without `{question}` leaves the text out.
        shots: number of demonstrations in front of each document.
        pool: YAML file with the `class_path` and `init_args` of the source of the demonstrations. It must not contain
            the documents.
        seed: seed of the demonstrations.

    Raises:
        UserError: if the model, the template or the demonstrations cannot be used.
    """

    def __init__(
        self,
        run: str,
        batch_size: int = 1,
        template: str | None = None,
        shots: int = 0,
        pool: str | None = None,
        seed: int = 0,
    ) -> None:
        if bool(shots) != bool(pool):
            raise UserError(
                "shots and pool belong together: a number of demonstrations, and the YAML file of a source"
            )
        loaded = load_model(Path(run))
        self.model = loaded.model
        self.captioning = self.answering = as_template(read_yaml(template)) if template else loaded.captioning
        if not template:
            self.answering = self.model.question_template(loaded.processor)
        self.sampling, self.blind = run_sampling(Path(run)), is_blind(Path(run))
        self.session = Session(self.model, loaded.processor, Path(), {}, 0, batch_size)
        self.shots = demonstrations(source_of(read_yaml(pool), pool), shots, seed) if pool else []
        self._shot_digests = {pixel_digest(shot.image.read()): shot.id for shot in self.shots}
        self.visible = True
        """Whether progress is shown."""

    def generate(self, documents: Sequence[Document], options: Sequence[Mapping[str, Any]]) -> list[str]:
        """Returns the text that the model writes behind each document.

        Args:
            documents: documents to answer.
            options: options of each: `max_new_tokens`, `until` (stop strings, beside those of the template) and options
                of transformers' `generate`.

        Raises:
            UserError: if an option is refused, or an image cannot be read.
        """
        alike: dict[str, list[int]] = {}
        asks: dict[str, Generate] = {}
        for place, (document, given) in enumerate(zip(documents, options, strict=True)):
            template = self.template_of(document)
            key = json.dumps([template.record(), given], sort_keys=True, default=str)
            alike.setdefault(key, []).append(place)
            asks[key] = asks.get(key) or ask_of(given, template)
        for ask in asks.values():
            ask.check(self.session)
        texts = [""] * len(documents)
        for key, places in alike.items():
            for batch, requests in self._batches([documents[place] for place in places]):
                for place, answer in zip(batch, asks[key](requests, self.session), strict=True):
                    if answer.unreadable:
                        raise UserError(answer.unreadable)
                    texts[places[place]] = answer.text
        return texts

    def loglikelihoods(self, documents: Sequence[Document], texts: Sequence[str]) -> list[Likelihood]:
        """Returns the log-likelihood of a text behind each document. Each document is read once.

        Args:
            documents: documents; several may be equal.
            texts: text behind each, worded as the template's target.
        """
        targets = [
            self.template_of(document).target.format(target=text.strip())
            for document, text in zip(documents, texts, strict=True)
        ]
        candidates: dict[Template, dict[Document, list[str]]] = {}
        for document, target in zip(documents, targets, strict=True):
            candidates.setdefault(self.template_of(document), {}).setdefault(document, []).append(target)
        known: dict[tuple[Document, str], Likelihood] = {}
        for texts_of in candidates.values():
            distinct = [*texts_of]
            for batch, requests in self._batches(distinct, texts_of):
                cache, prompts = self.session.begin(requests)
                rows = likelihoods_of(self.session, self.session.processor, requests, prompts, cache)
                for place, row in zip(batch, rows, strict=True):
                    document = distinct[place]
                    known |= {
                        (document, text): one for text, one in zip(texts_of[document], row, strict=True)
                    }
        return [known[key] for key in zip(documents, targets, strict=True)]

    def template_of(self, document: Document) -> Template:
        """Returns the template that words a document."""
        return self.answering if document.text.strip() else self.captioning

    def _batches(
        self, documents: Sequence[Document], candidates: Mapping[Document, Sequence[str]] | None = None
    ) -> Iterable[tuple[list[int], list[Request]]]:
        """Yields (indices of documents, requests) batch by batch, shortest texts first."""
        order = iter(sorted(range(len(documents)), key=lambda place: (len(documents[place].text), place)))
        done = 0
        with progress_line("answering", "documents", self.visible, len(documents)) as progress:
            while batch := list(islice(order, self.session.batch_size)):
                alive: list[PIL.Image.Image] = []
                requests = []
                for place in batch:
                    query = self._query(
                        documents[place], tuple((candidates or {}).get(documents[place], ())), alive
                    )
                    requests.append(Request(query, query.prompt, query.shared))
                yield batch, requests
                done += len(batch)
                progress(done, len(documents))

    def _query(self, document: Document, candidates: tuple[str, ...], alive: list[PIL.Image.Image]) -> Query:
        images = [*images_of(document.visuals(), document.id, self.sampling, alive)]
        for image in images if self.shots else ():
            if shot := self._shot_digests.get(pixel_digest(image.read())):
                raise UserError(
                    f"{document.id}: its image is also that of the demonstration {shot}; name another pool"
                )
        message = interleaved(document.text, images, document.id)
        template = self.template_of(document)
        if images and message in ((images[0], document.text), (images[0],)):
            example = Example(document.id, images[0], document.id, question=document.text)
        else:
            example = Example(document.id, NO_IMAGE, document.id, turns=(Turn(message, ""),))
        prompt = template.prompt(example, self.shots)
        shared = 0  # everything before the document's image is the same in all prompts
        if message[:1] and isinstance(message[0], Image) and template.query.startswith("{image}"):
            shared = prompt.index(message[0])
        if self.blind:
            prompt = with_images(prompt, black)
        return Query(document.id, prompt, document.id, shared=shared, candidates=candidates)


def ask_of(options: Mapping[str, Any], template: Template) -> Generate:
    """Returns the request type of a harness's generation options.

    Args:
        options: `max_new_tokens`, `until` and options of transformers' `generate`.
        template: template whose stop strings end an answer, too.

    Raises:
        UserError: if an option is refused.
    """
    given = {name: value for name, value in options.items() if value is not None and name not in OF_OTHERS}
    limit, until = given.pop("max_new_tokens", MAX_NEW_TOKENS), given.pop("until", [])
    until = [until] if isinstance(until, str) else list(until)
    temperature = given.get("temperature", 1.0 if given.get("do_sample") else 0.0)
    samples = given.pop("do_sample", temperature > 0)
    if samples and not temperature > 0:
        raise UserError(f"do_sample with a temperature of {temperature}; sampling needs one above 0")
    if samples:
        given["do_sample"] = True
    else:
        given = {name: value for name, value in given.items() if name not in SAMPLING_ONLY}
    if given.get("num_beams") == 1:
        del given["num_beams"]
    stop = tuple(dict.fromkeys([*template.stops, *(text for text in until if text)]))
    return Generate(limit, given, stop)


def demonstrations(pool: Source, shots: int, seed: int) -> list[Example]:
    """Draws the demonstrations that `Fixed` draws from a pool without images of the queries.

    Raises:
        UserError: if the pool has too few examples with an answer.
    """
    order = Permutation(len(pool), "support", seed)
    return pick(order, pool, shots, lambda example: True, "with an answer")


def is_blind(run: Path) -> bool:
    """Tells whether a run was trained on black images. An exported folder does not say so."""
    with suppress(UserError):
        return bool(read_config(run_folder(run))["data"].get("blind"))
    return False


def read_yaml(file: str) -> dict[str, Any]:
    """Reads a mapping from a YAML file.

    Raises:
        UserError: if it cannot be read, or holds something else.
    """
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: holds no mapping")
    return content


def source_of(settings: Mapping[str, Any], file: str) -> Source:
    """Makes a source from its `class_path` and `init_args`.

    Raises:
        UserError: if there is no such class, or it does not take these arguments.
    """
    if not isinstance(settings.get("class_path"), str):
        raise UserError(f"{file}: has no class_path; give it the class_path and init_args of a source")
    kind, arguments = source_class(settings["class_path"]), dict(settings.get("init_args") or {})
    source: Source = made(kind, arguments, "init_args", f"{file}: ")
    return source
