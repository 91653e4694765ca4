"""Questions about scenes with four answers to choose among."""

from __future__ import annotations

from dataclasses import replace

from frozenvl.data.sources.scenes import SceneQuestions
from frozenvl.prompt import Example


class ChoiceScenes(SceneQuestions):
    """Questions about scenes whose choices are the answer and other words."""

    def __getitem__(self, index: int) -> Example:
        example = super().__getitem__(index)
        others = [word for word in ("red", "two", "large", "yes") if word != example.answer]
        return replace(example, choices=(example.answer, *others[:3]))
