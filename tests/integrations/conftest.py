"""Tiny models whose parts fit LLaVA's layout."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import transformers as hf

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import PatchLinear
from frozenvl.model.vision import HFEncoder

SIDE = 32
"""Side of the images, in pixels; 4 × 4 patches."""


@pytest.fixture(scope="session")
def towers(tmp_path_factory):
    """Folder of tiny vision transformers."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    images = {"image_size": SIDE, "patch_size": 8}
    folder = tmp_path_factory.mktemp("towers")
    kinds = {
        "clip": hf.CLIPVisionConfig,
        "siglip": hf.SiglipVisionConfig,
        "vit": hf.ViTConfig,
        "dinov2": hf.Dinov2Config,
    }
    for name, kind in kinds.items():
        torch.manual_seed(0)
        hf.AutoModel.from_config(kind(**sizes, **images)).save_pretrained(folder / name)
        hf.CLIPImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4]).save_pretrained(
            folder / name
        )
    return folder


@pytest.fixture
def new(towers, tiny_language):
    """Function that makes a model: `new(vision="vit", layer=-1, mapper=…)`."""

    def make(
        vision="clip", layer=-2, grid=4, mapper=PatchLinear, k=None, language=None, template=None, **parts
    ):
        encoder = (
            vision if not isinstance(vision, str) else HFEncoder(str(towers / vision), grid=grid, layer=layer)
        )
        torch.manual_seed(1)
        made = FrozenVL(
            language=FrozenLanguageModel(str(language or tiny_language)),
            vision=encoder,
            mapper=partial(mapper),
            k=k or encoder.tokens,
            **parts,
        )
        made.template = template
        return made.eval()

    return make
