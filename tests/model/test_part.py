"""Parts of a model: recorded arguments, trained weights, and descriptions."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any

import pytest
import torch
from torch import nn

from frozenvl.model.mappers import MLP, Mapper
from frozenvl.model.part import Part, description, kind_at, path_of
from frozenvl.util.errors import UserError


class Scale(Part):
    """Part with arguments of all kinds."""

    def __init__(
        self, width: int, factor: float = 2.0, *, names: list[str] | None = None, **more: Any
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), factor))
        self.register_buffer("seen", torch.zeros(()))


class Abstract(Part):
    @abstractmethod
    def anything(self) -> None: ...


def test_a_part_records_its_constructor_arguments():
    assert Scale(3).arguments == {"width": 3}
    assert Scale(3, 0.5, names=["a"], other=1).arguments == {
        "width": 3,
        "factor": 0.5,
        "names": ["a"],
        "other": 1,
    }
    assert list(Scale(factor=0.5, width=3).arguments) == ["width", "factor"]
    assert copy.deepcopy(Scale(3, 0.5)).arguments == {"width": 3, "factor": 0.5}


def test_all_weights_of_a_part_are_saved_if_any_is_trained():
    part = Scale(3)
    assert part.trained().keys() == {"weight", "seen"}
    part.bias = nn.Parameter(torch.zeros(1), requires_grad=False)
    assert part.trained().keys() == {"weight", "bias", "seen"}
    part.weight.requires_grad_(False)
    assert part.trained() == {} == part.identity()


def test_a_description_makes_the_same_part_again():
    told = description(Scale(3, 0.5, other=1))
    assert told == {"class_path": f"{__name__}.Scale", "init_args": {"width": 3, "factor": 0.5, "other": 1}}
    assert Scale(**told["init_args"]).weight.equal(Scale(3, 0.5).weight)
    mapper = MLP(4, 1, 8, 2, hidden=3)
    assert description(mapper, given=4) == {
        "class_path": "frozenvl.model.mappers.mlp.MLP",
        "init_args": {"hidden": 3},
    }


def test_arguments_that_are_no_plain_data_are_refused():
    with pytest.raises(UserError, match=r"Scale was made with names = <object .*; an export holds names and"):
        description(Scale(3, names=object()))


def test_a_class_is_found_by_its_path_and_nothing_is_imported(monkeypatch):
    assert kind_at(path_of(MLP), Mapper) is MLP
    assert kind_at("frozenvl.model.mappers.MLP", Part) is MLP
    monkeypatch.setattr("importlib.import_module", None)  # fails if called
    for path in ("nowhere.Nope", "Nope", "frozenvl.model.mappers.Nope", "frozenvl.model.part.description"):
        with pytest.raises(UserError, match=rf"'{path}' is no Mapper that is known here"):
            kind_at(path, Mapper)
    with pytest.raises(UserError, match="is no Mapper"):
        kind_at(f"{__name__}.Scale", Mapper)
    with pytest.raises(UserError, match="is no Mapper"):
        kind_at(path_of(Mapper), Mapper)  # abstract
