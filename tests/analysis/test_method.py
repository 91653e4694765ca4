"""The interface of methods."""

import json

import torch

from frozenvl.analysis.method import Maps, silent


def test_maps_become_plain_data():
    maps = Maps(
        values=torch.tensor([[[1.0, 2, 3], [4, 5, 6]]]),
        names=("猫",),
        method="own",
        settings={"grid": 2},
        baseline="black",
        value=torch.tensor([1.5]),
        facts={"gap": [0.0]},
    )
    assert maps.grid == (2, 3)
    record = json.loads(json.dumps(maps.record()))
    assert record["values"] == [[[1, 2, 3], [4, 5, 6]]] and record["names"] == ["猫"]
    assert record["value"] == [1.5] and record["value_at_baseline"] is None and record["spread"] is None
    assert (
        record["unit"] == "nats" and record["settings"] == {"grid": 2} and record["facts"] == {"gap": [0.0]}
    )
    assert silent(1, 2) is None
