import pytest
import tiny
import torch
import torchvision
import transformers as hf

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.vision import HFEncoder, TimmEncoder, TorchvisionEncoder
from frozenvl.util.errors import UserError


@pytest.fixture
def pixels():
    return torch.randint(256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("grid", [1, 2])
def test_features_are_averages_of_the_last_map(tiny_vision, pixels, grid):
    encoder = TimmEncoder(str(tiny_vision), grid=grid)
    assert encoder.size == 64
    normal = (
        pixels.float() / 255 - torch.tensor(encoder.model.pretrained_cfg["mean"]).view(3, 1, 1)
    ) / torch.tensor(encoder.model.pretrained_cfg["std"]).view(3, 1, 1)
    maps = encoder.model.forward_features(normal)
    cell = maps.shape[-1] // grid
    rows = maps.unfold(2, cell, cell).unfold(3, cell, cell).mean((-1, -2)).flatten(2).transpose(1, 2)
    features = encoder(pixels)
    assert features.shape == (3, encoder.tokens, encoder.channels) == (3, grid * grid, maps.shape[1])
    torch.testing.assert_close(features, rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("moving", [None, False, True])
@pytest.mark.parametrize("pretrained", [True, False])
@pytest.mark.parametrize("trainable", [False, True])
def test_a_frozen_encoder_stays_in_eval_mode_and_a_trainable_one_trains(
    tiny_vision, pixels, trainable, pretrained, moving
):
    encoder = TimmEncoder(
        str(tiny_vision), trainable=trainable, pretrained=pretrained, moving_statistics=moving
    )
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.train()
    norms = (module for module in encoder.modules() if isinstance(module, torch.nn.BatchNorm2d))
    moves = trainable and (not pretrained if moving is None else moving)
    assert encoder.training == trainable
    assert {norm.training for norm in norms} == {moves}
    features = encoder(pixels)
    assert features.requires_grad == trainable
    if trainable:
        features.square().sum().backward()
        torch.optim.SGD(encoder.parameters(), lr=0.1).step()
    after = encoder.state_dict()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert bool(changed) == trainable
    assert any("running_mean" in name for name in changed) == moves
    assert any("conv" in name for name in changed) == trainable


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Tiny vision transformers in folders, as the hub keeps them."""
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


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("torchvision") / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), file)
    return file


FAMILIES = {
    "convolutions": lambda hub, resnet, **o: TimmEncoder("test_efficientnet", pretrained=False, **o),
    "convnext": lambda hub, resnet, **o: TimmEncoder("test_convnext", pretrained=False, **o),
    "channels last": lambda hub, resnet, **o: TimmEncoder("test_mambaout", pretrained=False, **o),
    "timm's transformer": lambda hub, resnet, **o: TimmEncoder("test_vit", pretrained=False, size=160, **o),
    "without normalisation": lambda hub, resnet, **o: TimmEncoder("test_nfnet", pretrained=False, **o),
    "resnet18": lambda hub, resnet, **o: TorchvisionEncoder("resnet18", str(resnet), size=64, **o),
    "mobilenet": lambda hub, resnet, **o: TorchvisionEncoder("mobilenet_v3_small", None, size=64, **o),
} | {
    name: lambda hub, resnet, name=name, **o: HFEncoder(str(hub / name), **o)
    for name in ("clip", "siglip", "clip tower", "dinov2", "vit")
}
CLASS_TOKEN = {"timm's transformer", "clip", "clip tower", "dinov2", "vit"}


def any_pixels(encoder):
    shape = (2, 3, encoder.size, encoder.size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_what_is_asked_of_it(hub, resnet, family):
    make = FAMILIES[family]
    everything = make(hub, resnet, grid="all")
    vectors = everything(any_pixels(everything))
    assert vectors.shape == (2, everything.tokens, everything.channels)
    before = family in CLASS_TOKEN
    side = round((everything.tokens - before) ** 0.5)
    assert everything.tokens == side * side + before
    pooled = make(hub, resnet, grid=1)
    found = pooled(any_pixels(pooled))
    torch.testing.assert_close(found[:, 0], vectors[:, before:].mean(1), rtol=1e-4, atol=1e-5)
    cells = make(hub, resnet, grid=2)
    assert cells(any_pixels(cells)).shape == (2, 4, everything.channels)
    assert cells(any_pixels(cells)[:0]).shape == (0, 4, everything.channels)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_blocks_alone_may_be_trained(hub, resnet, family):
    make = FAMILIES[family]
    encoder = make(hub, resnet, trainable=1)
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    everything = {name for name, _ in encoder.named_parameters()}
    assert trained and trained < everything
    encoder(any_pixels(encoder)).square().sum().backward()
    got = {name for name, p in encoder.named_parameters() if p.grad is not None}
    assert got <= trained and got
    every = make(hub, resnet, trainable=True)
    assert all(p.requires_grad for p in every.parameters())
    blocks = every.blocks()
    assert sum(len(block) for block in blocks) == len(list(every.parameters()))
    with pytest.raises(UserError, match=rf"has {len(blocks)} blocks; trainable is 99"):
        make(hub, resnet, trainable=99)


@pytest.mark.parametrize("family", ["clip", "siglip", "dinov2", "vit"])
def test_hidden_states_are_transformers_own(hub, resnet, family):
    encoder = HFEncoder(str(hub / family), grid="all")
    assert encoder.size == 64 and encoder.mean.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])
    pixels = any_pixels(encoder)
    normal = (pixels / 255 - encoder.mean) / encoder.std
    own = getattr(
        hf.AutoModel.from_pretrained(hub / family), "vision_model", None
    ) or hf.AutoModel.from_pretrained(hub / family)
    with torch.no_grad():
        found = own.eval()(pixel_values=normal, output_hidden_states=True)
    torch.testing.assert_close(encoder(pixels), found.last_hidden_state)
    second = HFEncoder(str(hub / family), grid="all", layer=-2)
    torch.testing.assert_close(second(pixels), found.hidden_states[-2])
    head = HFEncoder(str(hub / family), grid="head")
    torch.testing.assert_close(head(pixels)[:, 0], found.pooler_output)
    assert len({encoder.fingerprint, second.fingerprint, head.fingerprint}) == 3


def test_layers_that_there_are_not(hub):
    assert HFEncoder(str(hub / "vit"), layer=-4).channels == 16, "the embeddings, before three layers"
    for layer in (4, -5):
        with pytest.raises(UserError, match=rf"has 4 hidden states; layer is {layer}$"):
            HFEncoder(str(hub / "vit"), layer=layer)


def test_weights_that_are_kept_in_16_bits_are_computed_in_32(hub, tmp_path):
    hf.AutoModel.from_pretrained(hub / "vit").half().save_pretrained(tmp_path)
    hf.AutoImageProcessor.from_pretrained(hub / "vit").save_pretrained(tmp_path)
    encoder = HFEncoder(str(tmp_path), trainable=True)
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_torchvision_features_are_those_before_its_classifier(resnet):
    encoder = TorchvisionEncoder("resnet18", str(resnet), size=64)
    whole = torchvision.models.resnet18()
    whole.load_state_dict(torch.load(resnet, weights_only=True))
    whole.fc = torch.nn.Identity()
    pixels = any_pixels(encoder)
    expected = whole.eval()((pixels / 255 - encoder.mean) / encoder.std)
    torch.testing.assert_close(encoder(pixels)[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "classifier"),
    [
        ("swin_t", "head"),  # channels last
        ("densenet121", "classifier"),
        ("googlenet", "fc"),
        ("mobilenet_v2", "classifier"),
        ("shufflenet_v2_x0_5", "fc"),
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
def test_all_of_torchvisions_kinds_give_what_their_classifier_averages(name, classifier):
    encoder = TorchvisionEncoder(name, None, size=64)
    with same_random_weights():
        whole = torchvision.models.get_model(name)
    setattr(whole, classifier, torch.nn.Identity())
    pixels = any_pixels(encoder)
    expected = whole.eval()((pixels / 255 - encoder.mean) / encoder.std)
    torch.testing.assert_close(encoder(pixels)[:, 0], expected, rtol=1e-4, atol=1e-5)
    assert encoder.fingerprint == TorchvisionEncoder(name, None, size=64).fingerprint


def test_a_transformer_at_another_size_than_its_own():
    encoder = TimmEncoder("test_vit", pretrained=False, size=96, grid="all")
    assert encoder.tokens == 1 + (96 // 16) ** 2
    assert encoder(any_pixels(encoder)).shape == (2, encoder.tokens, encoder.channels)
    with pytest.raises(UserError, match=r"'test_vit' takes no images of 8 pixels .*; it was made for 160"):
        TimmEncoder("test_vit", pretrained=False, size=8)


def test_a_model_whose_blocks_timm_does_not_tell_is_trained_whole_or_not():
    make = lambda trainable: TimmEncoder("poolformer_s12", pretrained=False, size=64, trainable=trainable)
    assert all(parameter.requires_grad for parameter in make(True).model.parameters())
    with pytest.raises(UserError, match=r"timm does not tell its blocks apart; trainable is true or false"):
        make(1)


def test_a_model_of_several_branches_has_a_head_alone():
    encoder = TimmEncoder("crossvit_tiny_240", pretrained=False, grid="head")
    assert encoder(any_pixels(encoder)).shape == (2, 1, encoder.channels)
    with pytest.raises(UserError, match="'crossvit_tiny_240' has no one feature map; use grid head"):
        TimmEncoder("crossvit_tiny_240", pretrained=False)


def test_the_head_is_what_a_classifier_would_get(pixels, tiny_vision):
    encoder = TimmEncoder(str(tiny_vision), grid="head")
    normal = (pixels / 255 - encoder.mean) / encoder.std
    torch.testing.assert_close(encoder(pixels)[:, 0], encoder.model(normal))


def test_identity_is_what_features_depend_on(tiny_vision, tmp_path):
    path = str(tiny_vision)
    identities = [
        TimmEncoder(path).fingerprint,
        TimmEncoder(path, grid=2).fingerprint,
        TimmEncoder(path, size=96).fingerprint,
        TimmEncoder(str(tiny.vision_model(tmp_path, seed=1))).fingerprint,
    ]
    assert len(set(identities)) == 4
    assert TimmEncoder(path).fingerprint == identities[0]


def test_random_weights_where_asked(tiny_vision):
    one, other = (TimmEncoder(str(tiny_vision), pretrained=pretrained) for pretrained in (True, False))
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("family", ["clip", "vit"])
def test_random_weights_of_hugging_face_are_the_same_each_time(hub, family):
    make = lambda **options: HFEncoder(str(hub / family), **options).fingerprint
    assert make(pretrained=False) == make(pretrained=False) != make()


def test_what_cannot_be_used(tiny_vision, pixels):
    with pytest.raises(UserError, match=r"'no_such_net'.*timm knows no such model"):
        TimmEncoder("no_such_net", pretrained=False)
    for grid in (0, "none"):
        with pytest.raises(UserError, match=rf"grid is {grid!r}; it is all, head, or cells a side"):
            TimmEncoder(str(tiny_vision), grid=grid)


def test_what_hugging_face_has_and_cannot_be_used(hub):
    with pytest.raises(UserError, match=r"resnet.*no vision transformer; try TimmEncoder"):
        HFEncoder(str(hub / "resnet"))
    with pytest.raises(UserError, match=r"nowhere.*no such folder"):
        HFEncoder("/nowhere/at/all")


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("resnet19", None, "'resnet19'.*list_models"),
        ("resnet18", "BEST", "no weights 'BEST', neither a file nor one of IMAGENET1K_V1, DEFAULT"),
        ("vit_b_16", None, "'vit_b_16' has no feature map"),
    ],
)
def test_what_torchvision_cannot_give(name, weights, said):
    with pytest.raises(UserError, match=said):
        TorchvisionEncoder(name, weights)


def test_weights_of_another_model_are_refused_in_one_line(resnet):
    with pytest.raises(UserError, match=r"resnet34 .*resnet18.pth: cannot be loaded") as found:
        TorchvisionEncoder("resnet34", str(resnet))
    assert "\n" not in str(found.value)
