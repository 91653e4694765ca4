"""Scenes as images of prompts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import PIL.Image

from frozenvl.data.scenes.description import Scene
from frozenvl.data.scenes.renderer import RENDERER_VERSION, render
from frozenvl.prompt import Image


@dataclass(frozen=True)
class SceneImage(Image):
    """A scene, rendered each time it is read."""

    name: str
    scene: Scene
    resolution: int = 224

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return render(self.scene, self.resolution)

    @property
    def digest(self) -> str:  # type: ignore[override]
        content = f"{RENDERER_VERSION}/{self.resolution}/{self.scene!r}"
        return hashlib.sha256(content.encode()).hexdigest()[:32]
