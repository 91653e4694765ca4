"""Saving and loading a model as a folder; loading never runs code from the folder."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfApi
from losses import loss_of
from painted import Painted
from retrieval_models import retrieval_model
from safetensors.torch import load_file, save_file
from torch import nn

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.hub import as_stored
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP, Mapper
from frozenvl.model.tuning import Adapters, Finetuned, LoRA, PrefixTuning, PromptTuning
from frozenvl.model.vision import SideBySide, TimmEncoder
from frozenvl.objectives import Contrastive
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

IMAGES = [Painted("red"), Painted("blue"), Painted("green")]
SAMPLES = [Sample(image.name, (image, "a"), " large circle") for image in IMAGES]
MAPPER = partial(MLP, hidden=16, norm=True)
KINDS = {
    "plain": {},
    "trainable vision": {"trainable": True},
    "last block": {"trainable": 1},
    "grid": {"grid": 2},
    "side by side": {"beside": {"trainable": 1}},
    "lora": {"tuning": partial(LoRA, rank=2, targets=["q_proj", "down_proj"])},
    "prompt": {"tuning": partial(PromptTuning, 3)},
    "prefix": {"tuning": partial(PrefixTuning, length=3)},
    "adapters": {"tuning": partial(Adapters, reduction=2)},
    "finetuned": {"tuning": Finetuned},
}


@pytest.fixture
def trained(tiny_language, tiny_vision):
    """Function that makes a model and trains it for a few steps."""

    def make(kind="plain", bf16=False, mapper=MAPPER) -> FrozenVL:
        options = dict(KINDS[kind])
        tuning = options.pop("tuning", lambda: None)()
        torch.manual_seed(1)
        beside = options.pop("beside", None)
        vision = TimmEncoder(str(tiny_vision), **options)
        if beside:
            vision = SideBySide([vision, TimmEncoder(str(tiny_vision), **beside)])
        model = FrozenVL(FrozenLanguageModel(str(tiny_language)), vision, mapper, 2, tuning)
        if bf16:
            model.hold_frozen_in_bf16()
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        model.train()
        for _ in range(2):
            loss = loss_of(model, model.processor()(SAMPLES))
            (loss.nll / loss.tokens).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return model.eval()

    return make


@torch.no_grad()
def outputs(model) -> tuple[list[str], float, torch.Tensor]:
    processor = model.processor()
    batch = processor(SAMPLES)
    return model.generate(batch, processor, 8), loss_of(model, batch).nll.item(), model.score(batch)


def same_outputs(one, other) -> bool:
    ours, theirs = outputs(one), outputs(other)
    return ours[:2] == theirs[:2] and ours[2].equal(theirs[2])


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_is_loaded_unchanged(trained, tmp_path, kind, bf16):
    model = trained(kind, bf16)
    model.save_pretrained(tmp_path)
    again = FrozenVL.from_pretrained(tmp_path)
    assert not again.training and same_outputs(again, model)
    weights = model.trained_weights()
    assert load_file(tmp_path / "model.safetensors").keys() == weights.keys()
    for name, value in again.trained_weights().items():
        assert value.equal(weights[name]) and value.dtype == weights[name].dtype
    assert {n for n, p in again.named_parameters() if p.requires_grad} == {
        n for n, p in model.named_parameters() if p.requires_grad
    }
    again.save_pretrained(tmp_path / "twice")
    assert (tmp_path / "twice" / "config.json").read_text() == (tmp_path / "config.json").read_text()
    if kind == "plain":  # the weights have changed, so equal outputs are meaningful
        weights["mapper.net.4.weight"].zero_()
        assert not same_outputs(again, model)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_are_stored_in_a_16_bit_dtype_and_loaded_as_fp32(trained, tmp_path, dtype):
    model = trained("plain", False)
    model.save_pretrained(tmp_path / "whole")
    model.stored_dtype = dtype
    model.save_pretrained(tmp_path / "rounded")
    again = FrozenVL.from_pretrained(tmp_path / "rounded")
    for name, value in model.trained_weights().items():
        kept = again.trained_weights()[name]
        assert kept.dtype == torch.float32 and kept.equal(value.to(dtype).float())
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("rounded", "whole")]
    assert sizes[0] < 0.6 * sizes[1]


def test_numbers_beyond_the_range_of_a_dtype_are_refused():
    assert as_stored("steps", torch.tensor([7]), torch.float16).equal(torch.tensor([7]))
    assert as_stored("log", torch.tensor([-torch.inf]), torch.float16).isinf().all()
    with pytest.raises(UserError, match="weight: has numbers beyond the range of float16; choose another"):
        as_stored("weight", torch.tensor([1.0, 1e5]), torch.float16)


def test_a_model_is_loaded_from_the_hub_by_name_and_revision(trained, tmp_path, monkeypatch):
    """Both files are requested at the given revision."""
    model, asked = trained(), []
    model.save_pretrained(tmp_path)

    def download(repo_id, filename, revision=None, **_):
        asked.append((repo_id, filename, revision))
        return str(tmp_path / filename)

    for module in ("frozenvl.model.hub", "huggingface_hub.hub_mixin"):
        monkeypatch.setattr(f"{module}.hf_hub_download", download)
    assert same_outputs(FrozenVL.from_pretrained("me/prefix", revision="v2"), model)
    assert asked == [("me/prefix", "config.json", "v2"), ("me/prefix", "model.safetensors", "v2")]


def test_frozen_weights_are_not_saved(trained, tmp_path):
    trained("lora").save_pretrained(tmp_path)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert all(name.startswith("mapper.") or "lora_" in name for name in names)
    assert any(name.startswith("mapper.") for name in names) and any("lora_" in name for name in names)


def test_the_way_of_decoding_images_is_saved(trained, tmp_path):
    model = trained()
    model.scaled_decoding = False
    model.save_pretrained(tmp_path)
    assert FrozenVL.from_pretrained(tmp_path).processor().reader.version == model.processor().reader.version
    assert not FrozenVL.from_pretrained(tmp_path).processor().reader.scaled


def test_frozen_random_weights_are_reproduced(tiny_language, tiny_vision, tmp_path):
    language = FrozenLanguageModel(str(tiny_language), pretrained=False)
    model = FrozenVL(language, TimmEncoder(str(tiny_vision), pretrained=False), MLP, 2).eval()
    model.save_pretrained(tmp_path)
    assert same_outputs(FrozenVL.from_pretrained(tmp_path), model)


class Own(Mapper):
    """Custom mapper with an option that cannot be saved."""

    def __init__(self, channels: int, tokens: int, dim: int, k: int, act: object = "gelu") -> None:
        super().__init__(channels, tokens, dim, k)
        self.out = nn.Linear(channels * tokens, k * dim)

    def map(self, features):
        return self.out(features.flatten(1)).unflatten(1, (self.k, self.dim))


def test_custom_classes_are_saved_and_loaded(trained, tmp_path):
    model = trained(mapper=Own)
    model.save_pretrained(tmp_path)
    assert same_outputs(FrozenVL.from_pretrained(tmp_path), model)
    with pytest.raises(
        UserError, match=r"Own was made with act = <class .*an export holds names and numbers"
    ):
        trained(mapper=partial(Own, act=nn.GELU)).save_pretrained(tmp_path / "other")
    assert not any((tmp_path / "other").iterdir())


def changed(folder: Path, change) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("part", ["vision", "mapper", "tuning"])
@pytest.mark.parametrize(
    "path", ["os.system", "evil.Part", "frozenvl.model.language.causal_lm.FrozenLanguageModel", ""]
)
def test_unknown_classes_are_refused_and_nothing_is_imported(trained, tmp_path, monkeypatch, part, path):
    trained("prompt").save_pretrained(tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    changed(tmp_path, lambda config: config["model"][part].update(class_path=path))
    with pytest.raises(UserError, match=rf"'{path}' is no \w+ that is known here; .* import anything"):
        FrozenVL.from_pretrained(tmp_path)
    assert not (tmp_path / "ran").exists() and "evil" not in sys.modules


def test_a_class_of_another_kind_of_part_is_refused(trained, tmp_path):
    trained().save_pretrained(tmp_path)
    changed(tmp_path, lambda c: c["model"]["vision"].update(class_path="frozenvl.model.mappers.MLP"))
    with pytest.raises(UserError, match=r"'frozenvl.model.mappers.MLP' is no VisionEncoder"):
        FrozenVL.from_pretrained(tmp_path)


def test_an_export_without_the_bos_setting_has_no_bos_token(trained, tmp_path):
    model = trained()
    model.save_pretrained(tmp_path)
    changed(tmp_path, lambda config: (config["model"].pop("bos"), config["identity"].pop("bos")))
    assert same_outputs(FrozenVL.from_pretrained(tmp_path), model)


def test_weights_that_do_not_match_are_refused(trained, tmp_path, tiny_language):
    from tiny import language_model

    trained().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    changed(tmp_path, lambda config: config["model"]["mapper"]["init_args"].update(hidden=17))
    with pytest.raises(UserError, match=r"mapper.net.1.bias is 16 there, 17 in this model"):
        FrozenVL.from_pretrained(tmp_path)
    changed(tmp_path, lambda config: config["model"]["mapper"]["init_args"].update(hidden=16))
    save_file({k: v for k, v in weights.items() if "bias" not in k}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"bias is absent there"):
        FrozenVL.from_pretrained(tmp_path)
    save_file(weights, tmp_path / "model.safetensors")
    other = str(language_model(tmp_path / "other", seed=1))
    changed(tmp_path, lambda config: config["model"]["language"].update(name=other))
    with pytest.raises(UserError, match=rf"was trained with language = {tiny_language} .* this model has"):
        FrozenVL.from_pretrained(tmp_path)


def test_a_folder_that_is_no_export_is_one_error_line(trained, tmp_path, tiny_language):
    (tmp_path / "empty").mkdir()
    trained().save_pretrained(tmp_path / "cut")
    file = tmp_path / "cut" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    trained().save_pretrained(tmp_path / "without")
    (tmp_path / "without" / "model.safetensors").unlink()
    trained().save_pretrained(tmp_path / "lacks")
    changed(tmp_path / "lacks", lambda config: config["model"].pop("k"))
    for folder, message in {
        tmp_path / "nowhere": "no such folder",
        tmp_path / "empty": "has no config.json",
        tiny_language: "not a model of frozenvl; `frozenvl export` writes one",
        tmp_path / "cut": "cannot be read",
        tmp_path / "without": "cannot be read",
        tmp_path / "lacks": "argument: 'k'",
    }.items():
        with pytest.raises(UserError, match=message) as error:
            FrozenVL.from_pretrained(folder)
        assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_push_to_hub_uploads_weights_configuration_and_card(trained, monkeypatch):
    """Checks the uploaded files with a fake hub."""
    pushed = {}

    def upload(self, *, folder_path, **options):
        pushed.update({path.name: path.read_bytes() for path in Path(folder_path).iterdir()})

    created = type("Url", (), {"repo_id": "me/prefix"})()
    monkeypatch.setattr(HfApi, "create_repo", lambda self, **options: created)
    monkeypatch.setattr(HfApi, "upload_folder", upload)
    trained().push_to_hub("me/prefix")
    assert pushed.keys() == {"config.json", "model.safetensors", "README.md"}
    assert b"library_name: frozenvl" in pushed["README.md"]


def test_no_lightning_is_imported(trained, tmp_path):
    trained().save_pretrained(tmp_path)
    program = (
        "import sys; from frozenvl.model.frozen import FrozenVL; "
        f"FrozenVL.from_pretrained({str(tmp_path)!r}); print('lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_export_holds_heads_and_markers(tiny_language, tiny_vision, tmp_path):
    model = retrieval_model(tiny_language, tiny_vision, layers=[1, -1], text="it shows {text}").eval()
    with torch.no_grad():
        model.heads["r"].vector.mul_(2)
    model.save_pretrained(tmp_path)
    loaded = FrozenVL.from_pretrained(tmp_path)
    assert loaded.markers == ("[RET]",) and loaded.identity() == model.identity()
    texts = ["two blue stars", "a child"]
    assert torch.equal(
        loaded.embed_texts(loaded.processor(), texts), model.embed_texts(model.processor(), texts)
    )
    images = [Painted("red")]
    assert torch.equal(
        loaded.embed_images(loaded.processor(), images), model.embed_images(model.processor(), images)
    )
    card = (tmp_path / "README.md").read_text()
    assert "Head `r`: frozenvl.model.heads.retrieval.Retrieval(dim=8, layers=[1, -1]" in card
    assert "model.embed_texts(processor, texts)" in card
    assert "heads.r.vector" in load_file(tmp_path / "model.safetensors")


def test_an_export_with_objectives_and_heads_loads_in_a_fresh_process(tiny_language, tiny_vision, tmp_path):
    model = retrieval_model(tiny_language, tiny_vision, {"c": Contrastive(temperature=0.5)}).eval()
    model.save_pretrained(tmp_path)
    program = (
        "import sys\nfrom frozenvl.model.frozen import FrozenVL\n"
        "model = FrozenVL.from_pretrained(sys.argv[1])\n"
        "print(model.embed_texts(model.processor(), ['two stars']).tolist()[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )
    expected = model.embed_texts(model.processor(), ["two stars"])[0].tolist()
    assert json.loads(run.stdout.splitlines()[-1]) == pytest.approx(expected, abs=1e-6)


def test_others_may_read_the_weights_of_an_export(tiny_language, tiny_vision, tmp_path):
    retrieval_model(tiny_language, tiny_vision).save_pretrained(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["model.safetensors"] == modes["config.json"]
