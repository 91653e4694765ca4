"""Features with NaN or infinity."""

from __future__ import annotations

import pytest
import torch
from painted import Painted

from frozenvl.model.vision.finite import finite_rows, refuse_not_finite
from frozenvl.util.errors import UnreadableImage


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_rows_with_a_value_that_is_no_number_are_found(dtype):
    features = torch.zeros(5, 2, 3, dtype=dtype)
    features[1, 1, 2], features[2, 0, 0], features[4, 1, 0] = float("nan"), float("inf"), -float("inf")
    assert finite_rows(features).tolist() == [True, False, False, True, False]
    assert finite_rows(features[:0]).tolist() == []


def test_numbers_that_the_mapper_cannot_hold_count_as_infinite():
    assert finite_rows(torch.tensor([[1e300], [1e30]], dtype=torch.float64)).tolist() == [False, True]


def test_the_first_such_image_is_named():
    images, features = [Painted(colour) for colour in ("red", "green", "blue")], torch.zeros(3, 1, 4)
    refuse_not_finite(features, images, "E")
    features[1:] = float("nan")
    with pytest.raises(
        UnreadableImage, match=r"^green .*: its features are no finite numbers .* in E; "
    ) as error:
        refuse_not_finite(features, images, "E")
    assert error.value.image is images[1] and "\n" not in str(error.value)
