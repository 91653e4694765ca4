"""Weights of an encoder from another run: each error is one line."""

import pytest
import torch

from frozenvl.model.vision.encoder_weights import load_encoder
from frozenvl.util.errors import UserError


def saved(path, **weights):
    torch.save({"state_dict": {f"model.{key}": value for key, value in weights.items()}}, path)
    return path


def test_weights_are_found_by_their_names_in_the_model(tmp_path):
    model = torch.nn.Linear(2, 3)
    weights = {"vision.model.weight": torch.ones(3, 2), "vision.model.bias": torch.zeros(3)}
    load_encoder(model, saved(tmp_path / "x.ckpt", **weights, **{"mapper.out.weight": torch.ones(9)}), "size")
    assert model.weight.eq(1).all() and model.bias.eq(0).all()


def test_unfit_files_are_one_line(tmp_path):
    model = torch.nn.Linear(2, 3)
    wide = {"vision.model.weight": torch.ones(3, 5), "vision.model.bias": torch.zeros(3)}
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.ckpt").write_bytes(b"PK")
    for path, message in (
        (
            saved(tmp_path / "wide.ckpt", **wide),
            "weight of its encoder is 3 × 5, here 3 × 2; give the size of that run",
        ),
        (
            saved(tmp_path / "none.ckpt", **{"mapper.out.weight": torch.ones(9)}),
            "holds no weights of an encoder",
        ),
        (tmp_path / "missing.ckpt", "no such file"),
        (tmp_path / "empty", "neither an export nor a last checkpoint"),
        (tmp_path / "torn.ckpt", "not a readable checkpoint or export"),
    ):
        with pytest.raises(UserError, match=message):
            load_encoder(model, path, "size")
