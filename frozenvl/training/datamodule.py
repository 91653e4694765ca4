"""The LightningDataModule: loaders of training steps, validation batches and prompts to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from multiprocessing.util import Finalize
from typing import Any, Literal, TypeVar

import lightning as L

from frozenvl.data.augmentation import AugmentedImage
from frozenvl.data.collate import Process, TrainingBatches, TrainingSteps, readable
from frozenvl.data.decontamination import without_overlap
from frozenvl.data.order import evaluation_batches
from frozenvl.data.stream import Task, TrainingStream, ValidationPairs
from frozenvl.objectives.objective import count_rows
from frozenvl.prompt import Image, Sample, black
from frozenvl.training.inputs import Inputs
from frozenvl.training.loaders import Batches, Indices, Loader, StepLoader, end_readers, reads_only
from frozenvl.training.steps import Start, StepBatches
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.seeds import seed_from

Made = TypeVar("Made", bound=Loader)


class FrozenData(L.LightningDataModule):
    """LightningDataModule of training and validation tasks.

    Args:
        train: training tasks by name, mixed by their weights.
        val: validation tasks by name. An evaluation names the task that it uses.
        root: folder of the data, for `${data.root}` in a configuration.
        batch_size: (image, text) pairs per optimiser step, over all ranks and accumulated micro-batches.
        eval_batch_size: prompts per validation or generation batch, on one rank.
        workers: number of data loader processes on each rank.
        seed: seed of the order and of augmentation.
        group: "image" if all texts of an image stand together in the order, so that they share the computation of their
            prefix. With `batch_size` a multiple of their number they are in one batch. By default pairs are mixed.
        lanes: number of lanes that the shards of each data set are dealt to. With a multiple of the number of machines,
            each machine reads only its share of the shards. A part of the order: keep it when a run is resumed.
        blind: whether all images are black, in training and validation (Frozen's train-blind baseline).
        augmentation: torchvision transform of PIL images, for training only.
        views: number of augmented versions per training image. With a fixed number, a frozen encoder's features can
            be cached. By default the augmentation is drawn anew at each reading, and features are not cached.
        cache_features: whether to compute a frozen encoder's features once and keep them on disk.
        scaled_decoding: whether to decode large JPEGs at a reduced size, if that is enough for the encoder.
        overlap: what to do with training examples whose photograph is used in validation: exclude or only count
            them.
        max_unreadable: share of training samples (0 to 1) that may be unreadable, and so replaced, before a run stops.
    """

    trainer: L.Trainer  # type: ignore[assignment]

    def __init__(
        self,
        train: dict[str, Task],
        val: dict[str, Task],
        root: str | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 100,
        workers: int = 0,
        seed: int = 0,
        group: Literal["image"] | None = None,
        lanes: int = 1,
        blind: bool = False,
        augmentation: Callable | None = None,
        views: int | None = None,
        cache_features: bool = True,
        scaled_decoding: bool = True,
        overlap: Literal["exclude", "count"] = "exclude",
        max_unreadable: float = 0.01,
    ) -> None:
        super().__init__()
        if batch_size < 1 or eval_batch_size < 1:
            raise UserError("data.batch_size and data.eval_batch_size must be at least 1")
        if not 0 <= max_unreadable <= 1:
            raise UserError(f"data.max_unreadable is {max_unreadable}; it is a share, from 0 to 1")
        if views is not None:
            check_views(views, augmentation)
        self.train, self.overlapping = without_overlap(train, val, overlap == "exclude")
        self.val, self.overlap = val, overlap
        parts = {"train": train, "val": val}
        self.notes = {
            f"{part}.{name}": dict(task.source.notes)
            for part, tasks in parts.items()
            for name, task in tasks.items()
            if task.source.notes
        }
        """What the sources leave out or treat in a special way: task → note → count."""
        self.root, self.batch_size, self.eval_batch_size = root, batch_size, eval_batch_size
        self.workers, self.seed, self.blind, self.group, self.lanes = workers, seed, blind, group, lanes
        self.augmentation, self.views, self.cache_features = augmentation, views, cache_features
        self.scaled_decoding, self.max_unreadable = scaled_decoding, max_unreadable
        self.start = Start()
        """Start of this process's part of the run. `FrozenModule` sets it when it loads a checkpoint."""

    def setup(self, stage: str) -> None:
        """Starts a new run at the first pair, also if these data were used by a resumed one before."""
        if stage == "fit" and not self.trainer.global_step:
            self.start = Start()

    def see(self, image: Image) -> Image:
        """Returns the image, or a black one if the run is blind."""
        return black(image) if self.blind else image

    def images(self) -> Iterator[Image]:
        """Yields all images of the run: each view of training images, then validation images; black if blind.

        Of a video these are its frames: the middles of the segments, if its frames are drawn at random.
        """
        for task in self.train.values():
            for image in self.seen(task):
                yield from (self._view(image, view) for view in range(self.views)) if self.views else [image]
        for task in self.val.values():
            yield from self.seen(task)

    def image_count(self) -> int:
        """Returns the number of distinct images of the run, frames and views included, without reading an example.

        A source that does not know its images counts one for each example. A video counts `Source.max_frames`.
        """
        if self.blind:
            return 1
        counts = []
        for tasks in (self.train, self.val):
            frames: dict[str, int] = {}  # image id → largest number of frames
            unknown = 0
            for source in (task.source for task in tasks.values()):
                if (listed := source.all_image_ids()) is None:
                    unknown += len(source) * source.max_frames
                for key in (key for keys in listed or () for key in keys):
                    frames[key] = max(frames.get(key, 1), source.max_frames)
            counts.append(sum(frames.values()) + unknown)
        return counts[0] * (self.views or 1) + counts[1]

    def texts(self) -> Iterator[str]:
        """Yields the target texts of the training tasks, then those of the validation tasks."""
        for task in (*self.train.values(), *self.val.values()):
            for index in range(len(task.source)):
                yield from task.source[index].targets

    def seen(self, task: Task) -> Iterator[Image]:
        """Yields the images of a task, and the frames of its videos, as the run sees them."""
        for index in range(len(task.source)):
            images = task.source[index].images
            # A clip that cannot be opened is reported when its sample is loaded.
            with suppress(UnreadableImage):
                yield from (frame for image in images for frame in image.changed(self.see).frames)
            if self.blind and images:
                break

    def _change(self, sample: Sample, position: int, training: bool) -> Sample:
        sample = sample.with_images(self.see)
        if not training or self.augmentation is None:
            return sample
        if self.views:
            return sample.with_images(
                partial(self._view, view=seed_from("view", self.seed, position) % self.views)
            )
        return sample.with_images(partial(self._augmented, draw=(position,)))

    def _view(self, image: Image, view: int) -> Image:
        return self._augmented(image, (image.name, view))

    def _augmented(self, image: Image, draw: tuple) -> Image:
        assert self.augmentation is not None
        return AugmentedImage(image, self.augmentation, seed_from("augmentation", self.seed, *draw))

    @cached_property
    def stream(self) -> TrainingStream:
        """Endless stream of training samples.

        Raises:
            UserError: if a task has no pairs, none left after those of validation are excluded, or too few shards.
        """
        change = partial(self._change, training=True)
        return TrainingStream(self.train, self.seed, change, self.group == "image", self.lanes)

    @property
    def step_batches(self) -> StepBatches:
        """Batch sampler of training: the positions of each optimiser step, and the number of steps per epoch.

        Raises:
            UserError: if the Trainer's limits do not fit them.
        """
        return StepBatches(self.trainer, self.batch_size, self.stream.order, self.start)

    def train_dataloader(self) -> StepLoader:
        """Returns the loader of training micro-batches.

        Raises:
            UserError: if the data or the Trainer's limits allow no training (`stream`, `StepBatches`).
        """
        batches = TrainingBatches(self.stream, self.inputs.rows)
        objectives = self.inputs.objectives
        whole = any(objective.prepares for objective in objectives.values())
        collate = TrainingSteps(batches, partial(count_rows, objectives), whole)
        accumulated = self.trainer.accumulate_grad_batches
        # A worker collates whole steps; with accumulation it prefetches one in place of two, to save memory.
        prefetch = {"prefetch_factor": 1} if self.workers and accumulated > 1 else {}
        return self._loader(
            StepLoader, Indices(), self.step_batches, collate, accumulated=accumulated, **prefetch
        )

    def val_dataloader(self) -> Loader:
        """Returns the loader of this rank's validation batches, over all tasks."""
        pairs = ValidationPairs(self.val, partial(self._change, training=False))
        return self._evaluation_loader(pairs, self.inputs.rows)

    test_dataloader = val_dataloader

    def predict_dataloader(self) -> list[Loader]:
        """Returns a loader for each validation task, with its prompts in the order of its source."""
        loaders = []
        for task in self.val.values():
            examples = [task.source[index] for index in range(len(task.source))]
            prompts = [Sample(e.id, task.template.prompt(e)).with_images(self.see) for e in examples]
            loaders.append(self._evaluation_loader(prompts, self.inputs.processor))
        return loaders

    def _evaluation_loader(self, samples: Sequence[Sample] | ValidationPairs, process: Process) -> Loader:
        collate = lambda indices: readable([samples[index] for index in indices], process)
        return self._loader(Loader, range(len(samples)), self._dealt(len(samples)), collate)

    def _dealt(self, size: int) -> Batches:
        """Returns this rank's batches of indices. Empty batches pad the list, so that all ranks get equally many."""
        trainer = self.trainer
        batches = evaluation_batches(range(size), self.eval_batch_size)
        batches += [[]] * (-len(batches) % trainer.world_size)
        return Batches(batches[trainer.global_rank :: trainer.world_size])

    @property
    def inputs(self) -> Inputs:
        """Inputs of the module, which turn samples into batches."""
        return self.trainer.lightning_module.inputs  # type: ignore[return-value]

    def _loader(
        self, kind: type[Made], dataset: Any, batches: Iterable[list], collate: Callable, **options: Any
    ) -> Made:
        if self.workers:
            Finalize(None, end_readers, exitpriority=0)
        return kind(
            dataset,
            collate,
            batch_sampler=batches,
            num_workers=self.workers,
            worker_init_fn=reads_only,
            persistent_workers=False,
            **options,
        )


def check_views(views: int, augmentation: Callable | None) -> None:
    """Checks `data.views`: cached features are found again by the augmentation's `repr`.

    Raises:
        UserError: if there is less than one view, no augmentation, or one without a `repr` of its settings.
    """
    if views < 1:
        raise UserError(f"data.views is {views}; give 1 or more")
    if augmentation is None:
        raise UserError(
            "data.views counts versions that data.augmentation draws; give one, or leave views out"
        )
    if " at 0x" in repr(augmentation):
        raise UserError(
            f"data.views keeps features by what data.augmentation says of itself, and {type(augmentation).__name__} "
            "says nothing; give it a __repr__ with all its settings"
        )
