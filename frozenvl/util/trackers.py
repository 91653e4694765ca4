"""What Lightning's loggers have no common method for: images, and the settings of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import PIL.Image
import yaml

from frozenvl.util.gallery import log_png


def log_image(logger: Any, tag: str, png: bytes, step: int) -> None:
    """Logs an image to a logger of Lightning: TensorBoard, MLflow, and those with W&B's `log_image`. Others get none.

    Args:
        logger: logger of Lightning.
        tag: name of the image.
        png: content of the file, in RGB.
        step: optimiser step.
    """
    from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger

    if isinstance(logger, TensorBoardLogger):
        log_png(logger.experiment, tag, png, step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, PIL.Image.open(io.BytesIO(png)), key=tag, step=step)
    elif hasattr(logger, "log_image"):
        logger.log_image(key=tag, images=[PIL.Image.open(io.BytesIO(png))], step=step)


def log_settings(logger: Any, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Logs the settings of a run to a logger of Lightning: as texts to TensorBoard, as hyper-parameters to others.

    Args:
        logger: logger of Lightning.
        settings: kind of settings, such as "config" → settings.
    """
    from lightning.pytorch.loggers import TensorBoardLogger

    if not isinstance(logger, TensorBoardLogger):
        logger.log_hyperparams(dict(settings))
        logger.save()
        return
    for kind, values in settings.items():  # as hyper-parameters, each would be a table of one row
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        logger.experiment.add_text(kind, "".join(f"    {line}\n" for line in text.splitlines()), 0)
