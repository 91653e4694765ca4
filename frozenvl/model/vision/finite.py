"""NaN and infinity among features: each image with one is handled like an unreadable image."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage


def finite_rows(features: Tensor) -> Tensor:
    """Returns which rows (N,), bool, of features (N, …) are finite numbers in fp32, the precision of the mapper."""
    return features.detach().float().isfinite().flatten(1).all(1)


def not_finite(image: Image, source: str) -> UnreadableImage:
    """Returns the error for an image whose features hold NaN or infinity.

    Args:
        source: encoder that computed the features, or file that holds them.
    """
    return UnreadableImage(
        f"{image.name}: its features are no finite numbers (NaN or infinity) in {source}; look at the image, or "
        "compute them again in fp32",
        image,
    )


def refuse_not_finite(features: Tensor, images: Sequence[Image], source: str) -> None:
    """Checks the features (N, …) of N images.

    Raises:
        UnreadableImage: for the first image whose features hold NaN or infinity; its `image` names it.
    """
    for image, finite in zip(images, finite_rows(features).tolist(), strict=True):
        if not finite:
            raise not_finite(image, source)
