"""Images and settings in the loggers of Lightning."""

from __future__ import annotations

import io

import PIL.Image
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from frozenvl.util.trackers import log_image, log_settings

SETTINGS = {"config": {"name": "größe", "model": {"k": 2}}, "provenance": {"versions": {"torch": "2"}}}


@pytest.fixture
def png() -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (5, 3), "red").save(file, "PNG")
    return file.getvalue()


class Tracker:
    """Logger with the methods of W&B's."""

    def __init__(self) -> None:
        self.images, self.parameters, self.saved = [], {}, False

    def log_image(self, key, images, step):
        self.images.append((key, step, images[0].size, images[0].getpixel((0, 0))))

    def log_hyperparams(self, params):
        self.parameters |= params

    def save(self):
        self.saved = True


def test_tensorboard_gets_images_and_texts(tmp_path, png):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    log_image(logger, "captions/gallery", png, 7)
    log_settings(logger, SETTINGS)
    logger.finalize("success")
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (image,) = events.Images("captions/gallery")
    assert (image.step, image.encoded_image_string) == (7, png)
    (config,) = events.Tensors("config/text_summary")
    assert "    name: größe\n    model:\n      k: 2" in config.tensor_proto.string_val[0].decode()
    assert events.Tensors("provenance/text_summary")


def test_a_logger_like_w_and_b_gets_images_and_hyper_parameters(png):
    logger = Tracker()
    log_image(logger, "vqa/gallery", png, 3)
    log_settings(logger, SETTINGS)
    assert logger.images == [("vqa/gallery", 3, (5, 3), (255, 0, 0))]
    assert logger.parameters == SETTINGS and logger.saved


def test_a_logger_without_images_gets_settings_only(tmp_path, png):
    logger = CSVLogger(tmp_path)
    log_image(logger, "vqa/gallery", png, 3)
    log_settings(logger, SETTINGS)
    assert "größe" in (tmp_path / "lightning_logs/version_0/hparams.yaml").read_text(encoding="utf-8")
