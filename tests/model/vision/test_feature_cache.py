import errno
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import PIL.ImageColor
import pytest
import torch
from losses import loss_of
from painted import Painted

from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision import TimmEncoder
from frozenvl.model.vision import feature_cache as features
from frozenvl.model.vision.feature_cache import FeatureCache
from frozenvl.prompt import BlackImage, Sample
from frozenvl.util.errors import RunError, UnreadableImage

COLOURS = ["red", "green", "blue", "white", "gray", "pink", "gold", "navy", "teal", "olive"]


def counted(encoder):
    """Wraps an encoder so that it counts its images and records its features."""

    def run(pixels):
        run.images += len(pixels)
        run.gave.append(encoder(pixels))
        return run.gave[-1]

    run.images, run.gave = 0, []
    return run


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(features, "SEGMENT", 4)
    monkeypatch.setattr(features, "BATCH", 3)


@pytest.fixture(scope="module")
def encoder(tiny_vision):
    return TimmEncoder(str(tiny_vision), grid=2)


@pytest.fixture
def images():
    return [Painted(colour) for colour in COLOURS]


@pytest.fixture
def encode(encoder):
    return counted(encoder)


@pytest.fixture
def new(encoder, tmp_path):
    """Function that opens the cache as a new process would."""
    shape = (encoder.tokens, encoder.channels)
    return lambda folder=tmp_path: FeatureCache(encoder.fingerprint, shape, torch.float32, folder)


PIXELS = Pixels(64)


def test_cached_features_equal_computed_ones(new, encode, encoder, images):
    read = new().fill(images, PIXELS, encode)
    in_order = sorted(images, key=lambda image: image.digest)
    assert read.stage == "features" and read(in_order).equal(torch.cat(encode.gave))
    torch.testing.assert_close(read(images), encoder(PIXELS(images)), rtol=1e-4, atol=1e-6)
    assert read([]).shape == (0, encoder.tokens, encoder.channels)
    assert encode.images == len(images)


def test_features_and_pixels_give_the_same_loss(new, encode, build, images):
    model = build(grid=2)
    samples = [Sample(image.name, (image, "color:"), " red") for image in images]
    pixels, cached = [
        loss_of(model, Processor(model.language.name, model.k, reader)(samples)).nll
        for reader in (PIXELS, new().fill(images, PIXELS, encode))
    ]
    torch.testing.assert_close(cached, pixels, rtol=1e-5, atol=0)


def test_nothing_is_read_or_computed_twice(new, encode, images):
    new().fill(images, PIXELS, encode)
    new().fill([*images, Painted("black")], PIXELS, encode)
    assert encode.images == len(images) + 1 and {image.reads for image in images} == {1}


def test_duplicates_are_computed_once(new, encode, images):
    read = new().fill([*images, Painted("red"), BlackImage(4), BlackImage(9)], PIXELS, encode)
    assert encode.images == len(images) + 1
    again = read([images[0], Painted("red"), BlackImage(4), BlackImage(64)])
    assert again[0].equal(again[1]) and again[2].equal(again[3])
    alone = encode(PIXELS([BlackImage()]))[0]  # not bit-identical, since its batch was different
    torch.testing.assert_close(again[2], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "changed",
    [
        {"identity": "other weights"},
        {"shape": (1, 9)},
        {"dtype": torch.bfloat16},
    ],
)
def test_the_folder_depends_on_every_argument(tmp_path, changed):
    arguments = {"identity": "weights", "shape": (1, 8), "dtype": torch.float32, "folder": tmp_path}
    assert FeatureCache(**arguments).folder == FeatureCache(**arguments).folder
    assert FeatureCache(**arguments | changed).folder != FeatureCache(**arguments).folder


def test_precision_of_the_cache(encoder, encode, images, tmp_path):
    shape = (encoder.tokens, encoder.channels)
    read = FeatureCache("x", shape, torch.bfloat16, tmp_path).fill(images, PIXELS, encode)
    assert read(images).dtype == read([]).dtype == torch.bfloat16


def test_a_killed_fill_is_resumed(new, encode, images):
    def killed(pixels):
        if encode.images >= 6:
            raise KeyboardInterrupt
        return encode(pixels)

    with pytest.raises(KeyboardInterrupt):
        new().fill(images, PIXELS, killed)
    begun = new()
    begun.load()
    assert sum(image.digest in begun for image in images) == 4, "one whole segment"
    encode.images = 0
    read = new().fill(images, PIXELS, encode)
    assert encode.images == len(images) - 4
    torch.testing.assert_close(read(images), encode(PIXELS(images)), rtol=1e-4, atol=1e-6)


def test_a_failed_write_leaves_nothing(new, encode, images, monkeypatch):
    def full(_file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    cache = new()
    with pytest.raises(RunError, match="No space left"):
        cache.fill(images, PIXELS, encode)
    assert list(cache.folder.iterdir()) == []


def test_a_segment_is_never_partially_visible(new, encode, images, monkeypatch):
    """Looks from another process while a segment is being written."""
    seen, fsync = [], os.fsync

    def look(file):
        other = new()
        other.load()
        seen.append(sum(image.digest in other for image in images))
        fsync(file)

    monkeypatch.setattr(os, "fsync", look)
    new().fill(images, PIXELS, encode)
    assert seen == [0, 4, 8]


def ranks(count, folder_of, fill):
    """Runs `fill(cache, rank)` for each rank at once."""
    barrier = threading.Barrier(count, timeout=20)
    with ThreadPoolExecutor(count) as pool:
        futures = [
            pool.submit(
                partial(folder_of(rank).fill, rank=rank, world_size=count, barrier=barrier.wait), *fill(rank)
            )
            for rank in range(count)
        ]
        return [future.result() for future in futures]


def test_ranks_that_share_a_folder_share_the_work(new, encoder, images):
    encoders = [counted(encoder) for _ in range(3)]
    readers = ranks(3, lambda rank: new(), lambda rank: (images, PIXELS, encoders[rank]))
    assert sorted(run.images for run in encoders) == [3, 3, 4]
    assert readers[0](images).equal(readers[1](images)) and readers[0](images).equal(readers[2](images))
    torch.testing.assert_close(readers[0](images), encoder(PIXELS(images)), rtol=1e-4, atol=1e-6)


def test_ranks_with_separate_folders_each_compute_all(new, encoder, images, tmp_path):
    """One rank already has a full cache."""
    folders = [tmp_path / "0", tmp_path / "1"]
    new(folders[1]).fill(images, PIXELS, encoder)
    encoders = [counted(encoder) for _ in range(2)]
    readers = ranks(2, lambda rank: new(folders[rank]), lambda rank: (images, PIXELS, encoders[rank]))
    assert [run.images for run in encoders] == [len(images), 0]
    # Not bit-identical, since their batches were different.
    torch.testing.assert_close(readers[0](images), readers[1](images), rtol=1e-4, atol=1e-6)


def test_two_runs_that_fill_one_folder_at_once_share_the_work(new, encoder, images):
    """The runs are not synchronised; both start with a segment before the other finishes its first."""
    together = threading.Barrier(2, timeout=20)
    encoders = [counted(encoder) for _ in range(2)]

    def run(number):
        met = []

        def encode(pixels):
            if not met:
                met.append(together.wait())
            return encoders[number](pixels)

        return new().fill(images, PIXELS, encode)

    with ThreadPoolExecutor(2) as pool:
        readers = list(pool.map(run, range(2)))
    assert readers[0](images).equal(readers[1](images))
    assert sum(run.images for run in encoders) == len(images) and all(run.images for run in encoders)


def test_a_folder_is_filled_without_file_locks(new, encode, images, monkeypatch):
    def refused(*_, **__):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("filelock.FileLock.acquire", refused)
    read = new().fill(images, PIXELS, encode)
    assert encode.images == len(images) and len(read(images)) == len(images)


def test_progress(new, encode, images):
    seen = []
    new().fill(images, PIXELS, encode, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 10), (4, 10), (7, 10), (8, 10), (10, 10)]


def spoilt(encode, *colours):
    """Wraps an encoder: features of images of these colours hold NaN, infinity, …"""

    def run(pixels):
        features = encode(pixels).clone()
        for colour, value in zip(colours, (float("nan"), float("inf"), -float("inf")), strict=False):
            shade = torch.tensor(PIL.ImageColor.getrgb(colour), dtype=torch.uint8)
            features[(pixels[:, :, 32, 32] == shade).all(1), 0, 1] = value
        return features

    return run


def test_features_that_are_no_numbers_are_not_stored_and_make_an_image_unreadable(new, encode, images):
    cache = new()
    read = cache.fill(images, PIXELS, spoilt(encode, "green", "pink", "teal"))
    assert encode.images == len(images), "each is computed once"
    bad = [image for image in images if image.colour in ("green", "pink", "teal")]
    assert cache.not_finite == {image.digest for image in bad}
    for image in bad:
        with pytest.raises(
            UnreadableImage, match=f"^{image.colour} .*: its features are no finite num"
        ) as error:
            read([images[0], image])
        assert error.value.image == image
    good = [image for image in images if image not in bad]
    torch.testing.assert_close(read(good), encode(PIXELS(good)), rtol=1e-4, atol=1e-6)
    stored = new()
    stored.load()
    assert [image for image in images if image.digest not in stored] == bad
    again = pickle.loads(pickle.dumps(read))  # as in a worker
    with pytest.raises(UnreadableImage, match="no finite numbers"):
        again([next(image for image in again.digest_of if image.digest == bad[0].digest)])


def test_features_that_another_rank_found_to_be_no_numbers(new, encode, images):
    """Each rank computes what its share or the folder lacks."""
    ranks = [new().fill(images, PIXELS, spoilt(encode, "green"), rank, 2) for rank in range(2)]
    for read in ranks:
        with pytest.raises(UnreadableImage, match=r"^green"):
            read([images[1]])


def test_a_cache_whose_features_are_all_no_numbers_stays_empty(new, encode, images):
    read = new().fill(images[:1], PIXELS, spoilt(encode, "red"))
    assert not list(new().folder.glob("*.safetensors"))
    with pytest.raises(UnreadableImage, match=r"^red"):
        read(images[:1])
