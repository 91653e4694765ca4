import errno
import fcntl
import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import PIL.ImageColor
import pytest
import torch
from clips import write_clip
from losses import loss_of
from painted import Painted

from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision import TimmEncoder, feature_store
from frozenvl.model.vision import feature_cache as features
from frozenvl.model.vision.feature_cache import CachedFeatures, FeatureCache, InThreads, MissingFeatures
from frozenvl.prompt import BlackImage, Sample
from frozenvl.util.errors import RunError, UnreadableImage
from frozenvl.video import Sampling, Video

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
    monkeypatch.setattr(feature_store, "SEGMENT", 4)
    monkeypatch.setattr(features, "BATCH", 3)
    monkeypatch.setattr(features, "SHOWN", 5)


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
def new(encoder, tmp_path, monkeypatch):
    """Function that opens the cache as a new process would."""
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    shape = (encoder.tokens, encoder.channels)
    return lambda folder=tmp_path, limit=None: FeatureCache(
        encoder.fingerprint, shape, torch.float32, folder, limit
    )


PIXELS = Pixels(64)


def test_cached_features_equal_computed_ones(new, encode, encoder, images):
    read = new().fill(images, PIXELS, encode)
    assert read.stage == "features" and read(images).equal(torch.cat(encode.gave))
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
    assert [image for image in images if image.digest in begun] == images[:8], "all that was encoded"
    encode.images = 0
    read = new().fill(images, PIXELS, encode)
    assert encode.images == len(images) - 8
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
    # Batches of 3 and 2 images; segments of 4 and less once 5 and 10 images wait, each digest at least once.
    assert seen[0] == 0 and seen == sorted(seen) and seen[-1] == len(images)


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


def fill_in_process(new, encoder, images, numbers):
    """Fills the cache in another process, which reports how many images it has encoded."""
    run = counted(encoder)
    slow = lambda pixels: (time.sleep(0.05), run(pixels))[1]
    new().fill(images, PIXELS, slow)
    numbers.put(run.images)


def test_two_runs_that_fill_one_folder_at_once_share_the_work(new, encoder, images):
    """The runs are not synchronised: each computes what the other has not claimed."""
    context = multiprocessing.get_context("fork")
    numbers = context.Queue()
    runs = [context.Process(target=fill_in_process, args=(new, encoder, images, numbers)) for _ in range(2)]
    for run in runs:
        run.start()
    counts = [numbers.get(timeout=60) for _ in runs]
    for run in runs:
        run.join(60)
    assert sum(counts) == len(images) and [run.exitcode for run in runs] == [0, 0]
    stored = new()
    stored.load()
    assert all(image.digest in stored for image in images) and stored.bytes == len(images) * stored.row_bytes


def test_a_folder_is_filled_without_file_locks(new, encode, images, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refused)
    read = new().fill(images, PIXELS, encode)
    assert encode.images == len(images) and len(read(images)) == len(images)


def test_progress(new, encode, images):
    seen = []
    new().fill(images, PIXELS, encode, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(5, 10), (10, 10)]


def spoilt(encode, *colours):
    """Wraps an encoder: features of images of these colours hold NaN, infinity, …"""

    def run(pixels):
        features = encode(pixels).clone()
        for colour, value in zip(colours, (float("nan"), float("inf"), -float("inf")), strict=False):
            shade = torch.tensor(PIL.ImageColor.getrgb(colour), dtype=torch.uint8)
            features[(pixels[:, :, 32, 32] == shade).all(1), 0, 1] = value
        return features

    return run


def test_features_that_are_no_numbers_are_not_stored_and_make_an_image_unreadable(
    new, encode, images, monkeypatch
):
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
    as_in_a_worker(monkeypatch)
    with pytest.raises(UnreadableImage, match="no finite numbers"):
        read(bad[:1])


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


def as_in_a_worker(monkeypatch):
    """Has the reader take this process for a data loader worker."""
    monkeypatch.setattr(features, "get_worker_info", lambda: object())


def test_features_are_computed_when_they_are_first_read(new, encode, images):
    read = CachedFeatures(new(), PIXELS, encode)
    first = read(images[:4])
    assert encode.images == 4 and read.cache.encoded == 4
    again = read(images[2:6])
    assert encode.images == 6 and again[:2].equal(first[2:])
    filled = new().fill(images, PIXELS, encode)
    assert encode.images == len(images) and filled(images[:4]).equal(first)


def test_features_read_one_by_one_equal_those_filled_up_front(new, build, images, tmp_path):
    """The encoder runs batches of a fixed size, so an image's features do not depend on the images beside it."""
    model = build(grid=2)
    encode = torch.no_grad()(model.encode)
    filled = new(tmp_path / "filled").fill(images, PIXELS, encode)(images)
    read = CachedFeatures(new(tmp_path / "read"), PIXELS, encode)
    found = torch.cat([read([image]) for image in reversed(images)]).flip(0)
    # Without AVX-512 the last digits may depend on a row's position in the batch.
    torch.testing.assert_close(found, filled, rtol=1e-5, atol=1e-7)


def test_features_computed_in_an_evaluation_can_be_trained_on(new, encode, images):
    read = CachedFeatures(new(), PIXELS, encode)
    with torch.inference_mode():
        read(images)
    weight = torch.ones(encode.gave[0].shape[-1], requires_grad=True)
    (read(images) * weight).sum().backward()
    assert weight.grad is not None and not read(images).is_inference()


def test_features_beyond_the_limit_are_computed_each_time_and_not_stored(new, encode, images):
    size = new().row_bytes
    read = CachedFeatures(new(limit=7 * size), PIXELS, encode)
    whole = read(images)
    torch.testing.assert_close(whole, encode(PIXELS(images)), rtol=1e-4, atol=1e-6)
    assert 0 < read.cache.bytes <= 7 * size
    kept, encode.images = read.cache.bytes // size, 0
    torch.testing.assert_close(read(images), whole, rtol=1e-4, atol=1e-6)
    assert encode.images == len(images) - kept
    nothing = CachedFeatures(new(limit=0), PIXELS, encode)
    assert len(nothing([Painted("black")])) == 1 and nothing.cache.bytes == read.cache.bytes


def test_a_worker_computes_nothing_and_finds_what_was_stored_after_it_began(new, encode, images, monkeypatch):
    worker = CachedFeatures(new(), PIXELS, encode)
    main = CachedFeatures(new(), PIXELS, encode)
    as_in_a_worker(monkeypatch)
    with pytest.raises(MissingFeatures):
        worker(images)
    assert encode.images == 0
    monkeypatch.undo()
    monkeypatch.setattr(features, "BATCH", 3)
    stored = main(images)
    as_in_a_worker(monkeypatch)
    assert worker(images).equal(stored)


def test_images_that_a_hanging_process_has_claimed_are_computed_after_a_while(
    new, encode, images, monkeypatch
):
    monkeypatch.setattr(features, "PATIENCE", 0.05)
    read = CachedFeatures(new(), PIXELS, encode)
    monkeypatch.setattr(read.cache.claims, "take", lambda names, most: [])
    assert len(read(images)) == len(images) and encode.images == len(images)


def test_threads_read_the_same_pixels_and_report_the_broken_image(images):
    read = InThreads(PIXELS)
    assert read(images).equal(PIXELS(images)) and read([]).equal(PIXELS([]))
    broken = Painted("red")
    broken.read = lambda side=None: (_ for _ in ()).throw(UnreadableImage("broken"))
    with pytest.raises(UnreadableImage) as error:
        read([*images, broken])
    assert error.value.image is broken


def test_features_of_a_video_are_kept_for_each_frame(encode, tmp_path):
    """Another sampling of the clip computes only the frames that are new."""
    path = write_clip(tmp_path / "a.mp4", 12, "mpeg4")
    cache = FeatureCache("video", (4, 64), torch.float32, tmp_path / "cache")
    reader = CachedFeatures(cache, Pixels(64), encode)
    first = Video(path, Sampling(frames=3))
    rows = reader(first.frames)
    assert encode.images == 3 and rows.shape[0] == 3
    assert torch.equal(reader(Video(path, Sampling(frames=3)).frames), rows) and encode.images == 3
    more = Video(path, Sampling(frames=6))
    assert (
        len({*more.frames} & {*first.frames}) == 0
        and len({*Video(path, Sampling(frames=1)).frames} & {*first.frames}) == 1
    )
    assert torch.equal(reader(Video(path, Sampling(frames=1)).frames)[0], rows[1]) and encode.images == 3
    reader(more.frames)
    assert encode.images == 9
