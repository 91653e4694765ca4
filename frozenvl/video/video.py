"""`Video`: a clip in a prompt, which stands for its sampled frames as images in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random

from frozenvl.prompt import Image, ImageFile, ImageSequence
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.seeds import seed_from
from frozenvl.video.clip import Clip, ImageClip, VideoFile
from frozenvl.video.sampling import Sampling


@dataclass(frozen=True, init=False)
class Video(ImageSequence):
    """A video clip, which stands for its sampled frames as images in a row, wherever an image may stand.

    Nothing is read before `frames`, `read` or `digest` is used. Each frame is an image of its own, with the key
    `PATH#SECONDS`. Its digest does not depend on the sampling, so that a feature cache keeps it once.

    Args:
        source: path of a video file, an image object that holds its encoded bytes (a member of a tar), or a list of
            images in place of a file.
        sampling: a `Sampling`, or the name of its rule, that chooses the frames. By default 8 frames by `uniform`;
            of a list of images, all.

    Raises:
        UserError: if the list is empty, the rule is not known, or `fps` is asked of a list, which has no times.
    """

    clip: Clip
    sampling: Sampling
    seed: int | None = field(default=None)
    """Seed of the frames that the rule `random` draws; None for the middles of its segments."""

    def __init__(
        self,
        source: str | Path | Image | Sequence[Image] | Clip,
        sampling: Sampling | str | None = None,
        seed: int | None = None,
    ) -> None:
        clip = clip_of(source)
        if sampling is None:
            sampling = Sampling(frames=len(clip)) if isinstance(clip, ImageClip) else Sampling()
        elif isinstance(sampling, str):
            sampling = Sampling(sampling)  # type: ignore[arg-type]
        if isinstance(clip, ImageClip) and sampling.rule == "fps":
            raise UserError("sampling fps needs a video file: a list of images has no times; use uniform")
        for name, value in (("clip", clip), ("sampling", sampling), ("seed", seed)):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.clip.name

    @property
    def key(self) -> str:
        return self.clip.key

    @property
    def origin(self) -> Image:
        return self.clip.file if isinstance(self.clip, VideoFile) else self

    @cached_property
    def indices(self) -> tuple[int, ...]:
        """Indices of the sampled frames among all frames of the clip.

        Raises:
            UnreadableImage: if the file cannot be opened, is cut off or has no video; its `image` is this video.
        """
        draw = None if self.seed is None else Random(seed_from("frames", self.seed, self.name))
        try:
            times = self.clip.times
        except UnreadableImage as error:
            raise UnreadableImage(str(error), self) from None
        return tuple(self.sampling.indices(times.ticks, times.end, times.tick, draw))

    @cached_property
    def frames(self) -> tuple[Image, ...]:  # type: ignore[override]
        return tuple(self.clip.frames(self.indices))

    @property
    def max_frames(self) -> int:
        return self.sampling.frames

    @property
    def sampled_by(self) -> str:
        return str(self.sampling)

    def drawn(self, seed: int) -> Video:
        return Video(self.clip, self.sampling, seed) if self.sampling.rule == "random" else self


def clip_of(source: str | Path | Image | Sequence[Image] | Clip) -> Clip:
    """Returns the clip of a path, of an image object that holds encoded bytes, or of a list of images.

    Raises:
        UserError: if the list is empty.
    """
    if isinstance(source, Clip):
        return source
    if isinstance(source, str | Path):
        return VideoFile(ImageFile(Path(source)))
    if isinstance(source, Image):
        return VideoFile(source)
    if not source:
        raise UserError("a video is made of an empty list of images; give at least one")
    return ImageClip(tuple(source))
