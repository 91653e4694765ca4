"""Batches of training and validation, and their distribution to ranks."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, field, replace
from itertools import islice
from types import SimpleNamespace

import pytest
import torch
from torchvision.transforms import RandomRotation

from frozenvl.data.order import evaluation_batches
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.data.stream import Task
from frozenvl.prompt import Sample
from frozenvl.training.datamodule import FrozenData
from frozenvl.util.errors import UserError
from frozenvl.video import Video


@dataclass
class Made:
    """Stand-in for a batch: its samples, and the counts of its step."""

    samples: list[Sample]
    counts: dict[str, int] = field(default_factory=dict)

    def __iter__(self):
        return iter(self.samples)


def made(samples) -> Made:
    return Made(list(samples))


def data(rank: int = 0, ranks: int = 1, **options) -> FrozenData:
    """Makes a datamodule with a fake Trainer, whose batches hold only samples."""
    whole = FrozenData(
        train={"captions": Task(SceneCaptions("train", 4, resolution=64))},
        val={"captions": Task(SceneCaptions("val", 5, resolution=64))},
        **{"batch_size": 4, "eval_batch_size": 3} | options,
    )
    whole.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_rank=rank,
        world_size=ranks,
        global_step=0,
        accumulate_grad_batches=1,
        val_check_interval=1.0,
        limit_train_batches=1.0,
        limit_val_batches=1.0,
        overfit_batches=0.0,
        fast_dev_run=False,
        check_val_every_n_epoch=1,
        lightning_module=SimpleNamespace(inputs=SimpleNamespace(rows=made, processor=made, objectives={})),
    )
    return whole


def ids(loader) -> list[list[str]]:
    return [[sample.id for sample in batch] for batch in loader]


@pytest.mark.parametrize("ranks", [2, 3, 5, 12])
def test_ranks_share_the_validation_batches_equally(ranks):
    alone = ids(data().val_dataloader())
    dealt = [ids(data(rank, ranks).val_dataloader()) for rank in range(ranks)]
    assert len({len(batches) for batches in dealt}) == 1
    together = [batch for turn in zip(*dealt, strict=True) for batch in turn]
    assert together[: len(alone)] == alone and not any(together[len(alone) :])


def test_prediction_batches_are_in_the_order_of_tasks():
    (loader,) = data().predict_dataloader()
    assert ids(loader) == evaluation_batches([f"scenes/val/caption/{i}" for i in range(5)], 3)


def test_a_process_ends_though_a_loader_is_unfinished():
    """Workers of a rank forked by Lightning ignore the first SIGTERM, the only one they would get."""

    def rank():
        kept.append(iter(data(workers=1).train_dataloader()))
        next(kept[0])

    kept: list = []
    process = multiprocessing.get_context("fork").Process(target=rank)
    process.start()
    process.join(30)
    assert process.exitcode == 0


def test_workers_do_not_change_batches():
    assert ids(data(workers=2).train_dataloader()) == ids(data().train_dataloader())


def test_a_blind_run_has_only_a_black_image():
    blind = data(blind=True)
    assert {image.digest for image in blind.images()} == {"0" * 32}
    for loader in (blind.train_dataloader(), blind.val_dataloader(), *blind.predict_dataloader()):
        assert all(not any(image.read().tobytes()) for batch in loader for s in batch for image in s.images)


def test_images_are_those_of_training_and_validation():
    assert len({image.name for image in data().images()}) == 4 + 5


def test_images_are_counted_without_reading_an_example(monkeypatch):
    for options in ({}, {"augmentation": RandomRotation(9), "views": 3}, {"blind": True}):
        whole = data(**options)
        assert whole.image_count() == len({image.digest for image in whole.images()})
    listed = data()
    for tasks, ids in ((listed.train, ["a", "b", "a", "b"]), (listed.val, ["c", "c", "d", "c", "c"])):
        monkeypatch.setattr(tasks["captions"].source, "image_ids", lambda ids=ids: ids, raising=False)
    assert listed.image_count() == 2 + 2


def test_augmentation_is_only_for_training_and_reproducible():
    augmented = data(augmentation=RandomRotation(180))

    def pixels(loader) -> list[bytes]:
        return [image.read().tobytes() for batch in loader for sample in batch for image in sample.images]

    first = pixels(augmented.train_dataloader())
    torch.rand(3)
    assert pixels(augmented.train_dataloader()) == first != pixels(data().train_dataloader())
    assert pixels(augmented.val_dataloader()) == pixels(data().val_dataloader())
    assert pixels(data(augmentation=RandomRotation(180), seed=1).train_dataloader()) != first


def test_views_are_a_fixed_number_of_versions_of_each_image():
    drawn = data(augmentation=RandomRotation(180), views=2)
    kept = {image.digest for image in drawn.images()}
    assert len(kept) == 4 * 2 + 5
    seen: dict[str, set[str]] = {}
    for batch in islice(drawn.train_dataloader(), 8):
        for image in (image for sample in batch for image in sample.images):
            seen.setdefault(image.name, set()).add(image.digest)
    assert set().union(*seen.values()) <= kept
    assert [len(digests) for digests in seen.values()] == [2] * 4
    angles = {image.read().tobytes() for image in drawn.images()}
    assert len(angles) == len(kept)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 2}, "data.augmentation draws"),
        ({"views": 0, "augmentation": RandomRotation(1)}, "give 1 or more"),
        (
            {"views": 2, "augmentation": type("Mine", (), {"__call__": lambda self, image: image})()},
            "__repr__",
        ),
    ],
)
def test_impossible_views_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        data(**options)


@pytest.mark.parametrize("option", ["batch_size", "eval_batch_size"])
def test_a_batch_size_below_1_is_refused(option):
    with pytest.raises(UserError, match="must be at least 1"):
        data(**{option: 0})


class Clips(SceneCaptions):
    """Scenes as videos of three frames, of which two are the same; the last cannot be opened."""

    max_frames = 3

    def __getitem__(self, index):
        example, other = super().__getitem__(index), super().__getitem__((index + 1) % len(self))
        video = Video([example.image, other.image, example.image])
        return replace(example, image=Video("none.mp4") if index == len(self) - 1 else video)


def test_the_images_of_videos_are_their_frames():
    tasks = {"captions": Task(Clips("train", 4, resolution=64))}
    whole = FrozenData(train=tasks, val={"captions": Task(SceneCaptions("val", 5, resolution=64))})
    names = [image.name for image in whole.images()]
    scenes = [example.image.name for example in SceneCaptions("train", 4, resolution=64)]
    first, second, third, fourth = scenes
    assert names[:9] == [first, second, first, second, third, second, third, fourth, third]
    assert len(names) == 9 + 5 and whole.image_count() == 3 * 4 + 5
    beside = tasks | {"photographs": Task(SceneCaptions("train", 7, resolution=64, seed=1))}
    assert FrozenData(train=beside, val={}).image_count() == 3 * 4 + 7
    blind = FrozenData(train=tasks, val={}, blind=True)
    assert [image.name for image in blind.images()] == ["black"] * 3


def test_each_frame_is_augmented():
    tasks = {"captions": Task(Clips("train", 4, resolution=64))}
    whole = FrozenData(train=tasks, val={}, augmentation=RandomRotation(30), views=2)
    views = list(islice(whole.images(), 6))
    assert len({view.digest for view in views}) == 4, "the first and the third frame are one image"
    sample = next(
        sample for sample in map(whole.stream.__getitem__, range(8)) if "none" not in sample.images[0].name
    )
    frames = sample.images[0].frames
    assert len(frames) == 3 and {frame.digest for frame in frames} <= {
        image.digest for image in whole.images()
    }
