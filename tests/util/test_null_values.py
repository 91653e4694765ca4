"""Null where a type has no None: in parameters, dataclasses and arguments of classes, at any depth."""

from __future__ import annotations

import inspect
import pathlib
import typing
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import lightning.pytorch as L
import pytest
import torch
from jsonargparse import ArgumentError, ArgumentParser

from frozenvl.util.errors import UserError
from frozenvl.util.null_values import null_behind, nulls_of, refuse_nulls


class Base:
    def __init__(self, depth: int = 1, **options: Any) -> None: ...


class Part(Base):
    def __init__(
        self,
        width: int,
        name: str = "a",
        inner: Base | None = None,
        choice: Literal["x", "y"] = "x",
        path: pathlib.Path | None = None,
        late: int = None,  # type: ignore[assignment]  # noqa: RUF013
        anything: Any = 3,
        untyped=4,
        **options: Any,
    ) -> None:
        super().__init__(**options)


@dataclass
class Record2:
    rate: float = 0.5
    nothing: float | None = 0.5


@dataclass
class Record:
    part: Part
    words: tuple[str, ...] = ("a",)
    weight: int = 1
    below: Record2 | None = None


class Whole:
    def __init__(
        self,
        records: dict[str, Record],
        k: int = 4,
        overlap: Literal["exclude", "count"] = "exclude",
        maybe: int | None = 3,
        factory: Callable[[int], Base] = Base,
        parts: list[Base] | None = None,
        record: Record2 = Record2(),  # noqa: B008
    ) -> None: ...


PART = {"class_path": f"{__name__}.Part", "init_args": {"width": 3}}
WHOLE: dict[str, Any] = {
    "records": {"one": {"part": PART, "below": {"rate": 0.1}}},
    "parts": [PART, {"class_path": f"{__name__}.Base"}],
    "factory": {"class_path": f"{__name__}.Part", "init_args": {"name": "b"}},
    "record": {"rate": 0.1},
}


def parsed(content: dict[str, Any]) -> tuple[ArgumentParser, Any]:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Whole, "it")
    return parser, parser.parse_object({"it": deepcopy(content)})  # which it changes


def changed(content: Any, path: list, value: Any) -> Any:
    """Returns nested content with another value at a path; the content stays as it is."""
    if not path:
        return value
    copy = list(content) if isinstance(content, list) else dict(content)
    inner = copy[path[0]] if isinstance(copy, list) else copy.get(path[0], {})
    copy[path[0]] = changed(inner, path[1:], value)
    return copy


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("it.k", "4"),
        ("it.overlap", "'exclude'"),
        ("it.record.rate", "0.5"),
        ("it.factory.init_args.name", "'a'"),
        ("it.factory.init_args.depth", "1"),
        ("it.parts.0.init_args.name", "'a'"),
        ("it.parts.0.init_args.depth", "1"),
        ("it.parts.0.init_args.choice", "'x'"),
        ("it.parts.1.init_args.depth", "1"),
        ("it.records.one.weight", "1"),
        ("it.records.one.words", ""),
        ("it.records.one.part.init_args.name", "'a'"),
        ("it.records.one.below.rate", "0.5"),
    ],
)
def test_a_null_that_the_type_does_not_admit_is_named(key, default):
    path = [int(word) if word.isdigit() else word for word in key.split(".")[1:]]
    parser, config = parsed(changed(WHOLE, path, None))
    with pytest.raises(UserError) as error:
        refuse_nulls(parser, config, "file: ")
    tail = f", or remove it to have the default{f', {default}' if default else ''}"
    assert str(error.value) == (
        f"file: {key} is null (its value is missing), which it cannot be; give it a value{tail}"
    )


@pytest.mark.parametrize(
    "key",
    [
        *("it.maybe", "it.parts", "it.records.one.below", "it.records.one.below.nothing"),
        *(f"it.parts.0.init_args.{name}" for name in ("inner", "path", "late", "anything", "untyped")),
    ],
)
def test_a_null_that_the_type_admits_or_that_is_the_default_passes(key):
    path = [int(word) if word.isdigit() else word for word in key.split(".")[1:]]
    refuse_nulls(*parsed(changed(WHOLE, path, None)))


def test_a_whole_configuration_passes():
    refuse_nulls(*parsed(WHOLE))


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"records": {"one": None}}, "it.records.one"),
        ({"records": {"one": {"part": None}}}, "it.records.one.part"),
        ({"records": {"one": {"part": PART, "words": ["a", None]}}}, "it.records.one.words.1"),
        (WHOLE | {"parts": [None, PART]}, "it.parts.0"),
        (
            WHOLE | {"parts": [{"class_path": PART["class_path"], "init_args": {"width": None}}]},
            "it.parts.0.init_args.width",
        ),
        ({"records": None}, "it.records"),
    ],
)
def test_the_null_that_made_the_parser_refuse_a_configuration_is_found(content, key):
    with pytest.raises(ArgumentError) as error:
        parsed(content)
    null = null_behind(error.value, parsed(WHOLE)[0], {"it": content})
    assert null is not None and null.key == key
    assert str(null).endswith(("; give it a value", "; give it a value, or remove it"))


@pytest.mark.parametrize(
    "content",
    [
        WHOLE | {"k": "three", "maybe": None},
        WHOLE | {"factory": {"class_path": "nopackage.Nope", "init_args": {"name": None}}},
        WHOLE | {"factory": {"class_path": "Nope", "init_args": {"name": None}}},
        WHOLE | {"factory": {"class_path": f"{__name__}.Nope.Nope", "init_args": {"name": None}}},
        {"records": {"one": {"part": PART, "weight": "three", "below": None}}},
    ],
)
def test_other_errors_of_the_parser_have_no_null_behind_them(content):
    with pytest.raises(ArgumentError) as error:
        parsed(content)
    assert null_behind(error.value, parsed(WHOLE)[0], {"it": content}) is None


def test_classes_without_a_signature_have_no_parameters():
    """Lightning's `max_time` is a text, a timedelta or a mapping."""
    (null,) = nulls_of(L.Trainer, {"max_time": {"days": None}}, "trainer.")
    assert null.key == "trainer.max_time.days"


def test_a_required_argument_says_no_default():
    (null,) = nulls_of(Part, {"width": None}, "model.part.")
    assert str(null) == "model.part.width is null (its value is missing), which it cannot be; give it a value"


def classes_of_lightning() -> list[type]:
    modules = (L.callbacks, L.loggers, L.profilers, L.strategies)
    kinds = [value for module in modules for value in vars(module).values() if inspect.isclass(value)]
    kinds = [kind for kind in kinds if not kind.__name__.startswith("_")]
    optimizers = [value for value in vars(torch.optim).values() if inspect.isclass(value)]
    return [L.Trainer, *dict.fromkeys([*kinds, *optimizers])]


@pytest.mark.parametrize("kind", classes_of_lightning(), ids=lambda kind: kind.__name__)
def test_the_defaults_of_lightning_and_torch_pass(kind):
    known = inspect.signature(kind).parameters.values()
    defaults = {p.name: p.default for p in known if p.default is not inspect.Parameter.empty}
    assert not list(nulls_of(kind, defaults, ""))


def test_every_argument_of_the_trainer_is_judged_by_its_type():
    hints = typing.get_type_hints(L.Trainer.__init__)
    for name, parameter in inspect.signature(L.Trainer).parameters.items():
        refused = bool(list(nulls_of(L.Trainer, {name: None}, "trainer.")))
        optional = parameter.default is None or type(None) in typing.get_args(hints[name])
        assert refused is not optional, name
