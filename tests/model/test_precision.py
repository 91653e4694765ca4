import torch

from frozenvl.model.precision import faster_precision


def test_the_faster_precision_is_bf16_or_fp32():
    assert faster_precision(torch.device("cpu")) in ("bf16", "fp32")
