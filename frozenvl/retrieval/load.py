"""Loads a model for inference from a checkpoint, the folder of a run, or an exported folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.hub import is_export
from frozenvl.model.processor import Processor
from frozenvl.wording import VQA, Template


class Loaded(NamedTuple):
    """A model ready for inference."""

    model: FrozenVL
    """Model in eval mode, on CUDA if available."""
    processor: Processor
    captioning: Template
    """Template of the run's first captioning task. Exports record no template: then the default one."""

    @property
    def answering(self) -> Template:
        """Wording of questions: the one that the model was trained with, if the run or export records one."""
        template = self.model.question_template(self.processor)
        return template if "{question}" in template.query else VQA


def load_model(path: Path) -> Loaded:
    """Loads a model.

    Args:
        path: checkpoint in a run's folder, a run's folder, whose last checkpoint is then used, or an exported folder.

    Raises:
        UserError: if there is none, or it does not fit its configuration.
    """
    if is_export(path):
        import torch

        model = FrozenVL.from_pretrained(path)
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        return Loaded(model, model.processor(), Template())

    from frozenvl.training.trained_run import load_trained

    trained = load_trained(path)
    return Loaded(trained.module.model, trained.processor, trained.captioning)
