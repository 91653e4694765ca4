"""Augmented images: random, but the same at each read."""

from __future__ import annotations

import torch
from pictures import two_halves
from torchvision.transforms import RandomRotation

from frozenvl.data.augmentation import AugmentedImage
from frozenvl.prompt import ImageFile


def augmented(folder, seed: int = 0, degrees: int = 180) -> AugmentedImage:
    two_halves().save(folder / "a.png")
    return AugmentedImage(ImageFile(folder / "a.png"), RandomRotation(degrees), seed)


def test_the_version_of_an_image_depends_only_on_the_seed(tmp_path):
    pixels = augmented(tmp_path).read().tobytes()
    torch.rand(3)
    assert augmented(tmp_path).read().tobytes() == pixels
    assert augmented(tmp_path, seed=1).read().tobytes() != pixels != two_halves().tobytes()


def test_reading_an_augmented_image_keeps_the_random_state(tmp_path):
    before = torch.random.get_rng_state()
    augmented(tmp_path).read()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_versions_and_transforms_change_the_digest_but_not_the_key(tmp_path):
    one = augmented(tmp_path)
    versions = [one, augmented(tmp_path, seed=1), augmented(tmp_path, degrees=90)]
    assert len({image.digest for image in versions} | {one.image.digest}) == 4
    assert augmented(tmp_path).digest == one.digest
    assert {image.key for image in versions} == {one.image.key} and one.name == "a.png"
