"""Cached prefix vectors: computed once per image, independent of the other images."""

import random

import pytest
import torch
from painted import Painted

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Pixels, Processor
from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage

COLOURS = ["red", "green", "blue", "white", "gray", "pink", "gold"]


class Counted(Pixels):
    """Reader of pixels that counts its images."""

    def __init__(self, size=64):
        super().__init__(size)
        self.images = 0

    def __call__(self, images):
        self.images += len(images)
        return super().__call__(images)


@pytest.fixture
def images():
    return [Painted(colour) for colour in COLOURS]


@pytest.fixture
def model(build):
    return build().eval()


def counted(model, monkeypatch):
    """Records the batch size of each call of the encoder."""
    seen, last = [], model.vision.last
    monkeypatch.setattr(model.vision, "last", lambda pixels: seen.append(len(pixels)) or last(pixels))
    return seen


def test_each_image_is_read_and_encoded_once(model, images, monkeypatch):
    reader, seen = Counted(), counted(model, monkeypatch)
    prefixes = PrefixCache(model, reader, batch=4)
    first = prefixes([images[0], images[1], images[0]])
    assert seen == [4] and reader.images == 2
    assert first[0].equal(first[2]) and not first[0].isclose(first[1]).all()
    everything = prefixes(images)
    assert seen == [4, 4, 4] and reader.images == len(images)
    assert everything[:2].equal(first[:2]) and prefixes(images[::-1]).equal(everything.flip(0))
    assert seen == [4, 4, 4] and {image.reads for image in images} == {1}
    assert everything.shape == (7, model.k, model.language.dim) and everything.device.type == "cpu"
    assert prefixes([]).shape == (0, model.k, model.language.dim)


def test_cached_prefixes_equal_those_of_the_model(model, images):
    plain = Processor(model.language.name, model.k, Pixels(64))
    kept = Processor(model.language.name, model.k, PrefixCache(model, Pixels(64)))
    prompts = [(image, "This is", images[-1], "a") for image in images]
    one, other = plain(prompts), kept(prompts)
    assert (one.stage, other.stage) == ("pixels", "prefixes")
    torch.testing.assert_close(model.run(other).prefix, model.run(one).prefix, rtol=1e-4, atol=1e-6)
    assert model.generate(other, kept, 6) == model.generate(one, plain, 6)


def test_prefixes_can_be_computed_from_cached_features(model, images):
    class Features:
        stage = "features"

        def __call__(self, images):
            return model.encode(Pixels(64)(images)).detach()

    assert PrefixCache(model, Features())(images).equal(PrefixCache(model, Pixels(64))(images))


def test_memory_is_bounded(model, images):
    reader = Counted()
    each = model.k * model.language.dim * 4
    prefixes = PrefixCache(model, reader, batch=2, limit=3 * each)
    everything = prefixes(images)  # more than the limit, but all are returned
    assert len(prefixes._kept) == 3
    assert sum(row.untyped_storage().nbytes() for row in prefixes._kept.values()) == 3 * each
    prefixes([images[-3]])  # now the most recently used
    prefixes(images[:2])
    asked = reader.images
    assert prefixes(images[-3:-2]).equal(everything[-3:-2]) and reader.images == asked
    torch.testing.assert_close(prefixes(images[-2:]), everything[-2:])  # not bit-identical on every processor
    assert reader.images == asked + 2


def test_an_unreadable_image_does_not_discard_other_prefixes(model, images):
    class Bad(Image):
        name = digest = "bad"

        def read(self, side=None):
            raise UnreadableImage("bad: not a readable image")

    bad, reader = Bad(), Counted()
    prefixes = PrefixCache(model, reader, batch=2)
    with pytest.raises(UnreadableImage, match="bad: ") as error:
        prefixes([*images[:3], bad])
    assert error.value.image is bad
    asked = reader.images
    prefixes(images[:2])
    assert reader.images == asked


@pytest.mark.real
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.nightly
def test_prefixes_are_bit_identical_in_any_batch(fetched, half):
    from frozenvl.data.sources.scenes import SceneCaptions
    from frozenvl.model.language.causal_lm import FrozenLanguageModel
    from frozenvl.model.mappers import MLP
    from frozenvl.model.vision import TimmEncoder

    fetched("SmolLM2-135M-Instruct")
    fetched("EfficientNet-Lite0")
    torch.manual_seed(0)
    vision = TimmEncoder("EfficientNet-Lite0")
    model = FrozenVL(FrozenLanguageModel("SmolLM2-135M-Instruct"), vision, MLP, 4).eval()
    if half:
        model.hold_frozen_in_bf16()
    source = SceneCaptions("val", 18)
    images = [source[index].image for index in range(18)]
    reader = Pixels(vision.size)
    expected = dict(zip(images, PrefixCache(model, reader)(images), strict=True))
    for company in ([images[17]], random.Random(0).sample(images, 12)):
        found = PrefixCache(model, reader)(company)
        assert found.equal(torch.stack([expected[image] for image in company]))


def test_an_image_whose_features_are_no_numbers_is_unreadable(model, images, monkeypatch):
    features = model.features

    def spoilt(batch, stage):
        found = features(batch, stage).clone()
        found[(batch[:, :, 32, 32] == torch.tensor([0, 0, 255], dtype=torch.uint8)).all(1)] = float("inf")
        return found

    monkeypatch.setattr(model, "features", spoilt)
    prefixes = PrefixCache(model, Pixels(64), batch=4)
    blue = images[COLOURS.index("blue")]
    with pytest.raises(UnreadableImage, match=r"^blue .*no finite numbers") as error:
        prefixes(images)
    assert error.value.image is blue
    assert prefixes([image for image in images if image is not blue]).isfinite().all()
