"""Fixtures for tests of vision: weights of tiny encoders."""

import pytest
import torch
import torchvision
import transformers as hf


@pytest.fixture
def pixels():
    return torch.randint(256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    """Folder with tiny vision transformers, saved as on the Hugging Face hub."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    images = {"image_size": 64, "patch_size": 16}
    text = {**sizes, "vocab_size": 50, "max_position_embeddings": 8, "eos_token_id": 1, "bos_token_id": 0}
    configs = {
        "clip": hf.CLIPConfig(text_config=text, vision_config=sizes | images, projection_dim=8),
        "siglip": hf.SiglipConfig(text_config=text, vision_config=sizes | images),
        "clip tower": hf.CLIPVisionConfig(**sizes, **images),
        "dinov2": hf.Dinov2Config(**sizes, **images),
        "vit": hf.ViTConfig(**sizes, **images),
        "resnet": hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]),
    }
    folder = tmp_path_factory.mktemp("hub")
    for name, config in configs.items():
        torch.manual_seed(0)
        hf.AutoModel.from_config(config).save_pretrained(folder / name)
        hf.CLIPImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4]).save_pretrained(
            folder / name
        )
    return folder


@pytest.fixture(scope="session")
def resnet(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("torchvision") / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), file)
    return file
