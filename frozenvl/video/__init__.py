"""Videos in prompts: clips, the sampling of their frames, and their decoding."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frozenvl.video.files import image_or_video
    from frozenvl.video.sampling import RULES, Sampling
    from frozenvl.video.video import Video

MODULES = {"RULES": "sampling", "Sampling": "sampling", "Video": "video", "image_or_video": "files"}
"""Name → module that defines it. It is imported when the name is first used: `--help` needs no Pillow."""
__all__ = ["RULES", "Sampling", "Video", "image_or_video"]


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)
