import torch

from frozenvl.model.precision import faster_precision


def test_chooses_one_of_two():
    assert faster_precision(torch.device("cpu")) in ("bf16", "fp32")
