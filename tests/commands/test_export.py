"""`frozenvl export`: the exported model, its model card, and folders that are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from losses import loss_of
from running import add, one_line, score
from safetensors.torch import load_file
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
)

from frozenvl.cli import main
from frozenvl.commands.export import results_of, scores_of
from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions
from frozenvl.model.frozen import FrozenVL
from frozenvl.prompt import Example, Sample
from frozenvl.training.trained_run import load_trained
from frozenvl.util.decoding import Decoding

SHORT = ("--trainer.max_steps", 2, "--trainer.val_check_interval", 2)


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "tiny"
    assert main(["export", str(tiny_run), str(folder)]) == 0
    return folder


@torch.no_grad()
def outputs(model, processor) -> tuple[list[str], float]:
    captions, questions = SceneCaptions("val", 5, resolution=64), SceneQuestions("val", 5, resolution=64)
    prompts = [(captions[i].image,) for i in range(5)]
    prompts += [(x.image, f"Question: {x.question} Answer:") for x in map(questions.__getitem__, range(5))]
    samples = [Sample(str(at), prompt, " a red circle") for at, prompt in enumerate(prompts)]
    texts = model.generate(processor(prompts), processor, 8)
    return texts, loss_of(model, processor(samples)).nll.item()


def test_a_model_saved_in_training_records_how_images_are_decoded(frozenvl):
    full = ("--data.scaled_decoding", "false", *add("probes.Saved", folder="saved"))
    assert frozenvl("fit", *SHORT, *full, "--trainer.limit_val_batches", 0) == 0
    assert json.loads(Path("saved/config.json").read_text())["scaled_decoding"] is False


RUNS = {
    "plain": (),
    "bf16": ("--model.precision", "bf16"),
    "full decoding": ("--data.scaled_decoding", "false"),
    "vision": ("--model.vision.init_args.trainable", "true"),
    "lora": ("--model.tuning", "frozenvl.model.tuning.LoRA"),
    "prompt": ("--model.tuning", "frozenvl.model.tuning.PromptTuning"),
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_and_its_export_give_the_same_texts_and_loss(frozenvl, kind):
    assert frozenvl("fit", *SHORT, *RUNS[kind], "--trainer.limit_val_batches", 0) == 0
    assert main(["export", "runs/tiny", "exported"]) == 0
    trained = load_trained(Path("runs/tiny"))
    model = FrozenVL.from_pretrained("exported")
    processor = model.processor()
    assert processor.reader.version == trained.processor.reader.version
    assert outputs(model, processor) == outputs(trained.module.model, trained.processor)
    kept = load_file("exported/model.safetensors")
    assert {f"model.{name}" for name in kept} == trained.module.state_dict().keys()


def test_weights_are_rounded_if_asked_and_the_card_says_so(tiny_run, exported, tmp_path, capsys):
    assert main(["export", str(tiny_run), str(tmp_path / "half"), "--dtype", "float16"]) == 0
    whole, half = (load_file(folder / "model.safetensors") for folder in (exported, tmp_path / "half"))
    assert {value.dtype for value in half.values()} == {torch.float16}
    assert all(half[name].equal(value.half()) for name, value in whole.items())
    assert "rounded to float16" in (tmp_path / "half" / "README.md").read_text()
    assert "rounded" not in (exported / "README.md").read_text()
    capsys.readouterr()
    assert (
        main(["export", str(tiny_run), str(tmp_path / "x"), "--format", "transformers", "--dtype", "float16"])
        == 2
    )
    assert (
        "--dtype is for --format frozenvl" in one_line(capsys.readouterr().err)
        and not (tmp_path / "x").exists()
    )


def test_the_bos_token_is_exported(frozenvl, tiny_language, capfd):
    shutil.copytree(tiny_language, "language")
    words = AutoTokenizer.from_pretrained("language")
    words.bos_token = words.eos_token
    words.save_pretrained("language")
    asked = ("--model.language", "language", "--trainer.limit_val_batches", 0, "--model.bos")
    assert frozenvl("fit", *SHORT, *asked, "true") == 0
    assert main(["export", "runs/tiny", "exported"]) == 0
    trained, model = load_trained(Path("runs/tiny")), FrozenVL.from_pretrained("exported")
    for processor in (trained.processor, model.processor()):
        (prompt,) = processor([("a",)]).tokens.tolist()
        assert prompt == [words.bos_token_id, *words("a")["input_ids"]]
    assert outputs(model, model.processor()) == outputs(trained.module.model, trained.processor)
    capfd.readouterr()
    assert frozenvl("fit", *SHORT, *asked, "false", "--ckpt_path", "last") == 2
    assert "was trained with bos = True, this model has False" in one_line(capfd.readouterr().err)


def test_the_card_describes_the_model_and_its_code_runs(tiny_run, exported, tmp_path, monkeypatch, capsys):
    card = (exported / "README.md").read_text()
    cider = score(tiny_run, "captions")["scores"]["CIDEr"]
    assert f"| captions | CIDEr | {cider:.3f}" in card and "5 of 5" in card and "scored on a part" not in card
    assert "Optimiser steps: 6" in card and "frozenvl.data.sources.scenes.SceneCaptions" in card
    assert "hidden=16" in card and "license:" in card and "blind" not in card
    config = json.loads((exported / "config.json").read_text())
    init_args = config["model"]["mapper"]["init_args"]
    assert init_args == {"hidden": 16, "dropout": 0.1, "norm": False, "prefix_dropout": 0.0}
    monkeypatch.chdir(tmp_path)
    SceneCaptions("val", 5, resolution=64)[0].image.read().save("photo.jpg")
    program = card.split("```python\n")[1].split("```")[0]
    capsys.readouterr()
    exec(program.replace("this folder, or its name on the hub", str(exported)))
    trained = load_trained(tiny_run)
    template = trained.captioning
    from frozenvl.prompt import ImageFile

    image = ImageFile(Path("photo.jpg"))
    prompt = template.prompt(Example("", image, ""))
    (text,) = trained.module.model.answers(trained.processor, [prompt], template, Decoding(32))
    assert template.answer(capsys.readouterr().out) == text


def test_marks_beside_scores_are_explained(tiny_run):
    trained = load_trained(tiny_run)
    results = results_of(tiny_run, trained.module.trained_fingerprint())
    assert results and scores_of(results)["marks"] == []
    found = scores_of([replace(result, partial=True) for result in results])
    assert found["marks"] == [r"\* scored on a part of the queries"]
    card = trained.module.model.generate_model_card(**found).content
    assert r"- \* scored on a part of the queries" in card and "5 of 5 |" in card


def test_scores_of_other_weights_are_not_on_the_card(tiny_run, tmp_path):
    assert main(["export", str(tiny_run / "checkpoints" / "step=2.ckpt"), str(tmp_path / "early")]) == 0
    card = (tmp_path / "early" / "README.md").read_text()
    assert "Optimiser steps: 2" in card and "CIDEr" not in card


def test_the_prompt_wording_is_on_the_card(frozenvl):
    wording = ("--data.val.captions.template.query", "{image}A photo of", "--trainer.limit_val_batches", 0)
    wording += ("--data.val.captions.template.target", " {target}")
    assert frozenvl("fit", *SHORT, *wording, "--data.blind", "true") == 0
    assert main(["export", "runs/tiny", "exported"]) == 0
    card = Path("exported/README.md").read_text()
    assert "prompt = (image, 'A photo of',)" in card and "all training images were black" in card


def test_a_folder_that_is_not_empty_is_refused(tiny_run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "README.md").write_text("old")
    assert main(["export", str(tiny_run), str(tmp_path)]) == 2
    line = one_line(capsys.readouterr().err)
    assert line == f"{tmp_path}: not empty; name another folder, or write over it with --overwrite true"
    assert (tmp_path / "README.md").read_text() == "old"
    assert main(["export", str(tiny_run), str(tmp_path), "--overwrite", "true"]) == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert "frozen language model" in (tmp_path / "README.md").read_text()
    assert main(["export", str(tiny_run), str(tmp_path / "notes.txt")]) == 2
    assert "notes.txt: not a folder" in one_line(capsys.readouterr().err)
    assert main(["export", str(tmp_path), str(tmp_path / "new")]) == 2
    assert "no such checkpoint" in one_line(capsys.readouterr().err) and not (tmp_path / "new").exists()


def test_the_card_of_a_run_without_captions_promises_none(drilled, capsys):
    head = {"r": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 8}}}
    objectives = {"c": {"class_path": "frozenvl.objectives.Contrastive"}}
    asked = ("--model.heads", json.dumps(head), "--model.objectives", json.dumps(objectives))
    assert (
        drilled("fit", *asked, "--trainer.max_steps", 1, "--trainer.limit_val_batches", 0, name="embeds") == 0
    )
    assert main(["export", "runs/embeds", "embeds"]) == 0
    card = Path("embeds/README.md").read_text()
    assert "# Embeddings of images and texts by" in card and "writes no captions" in card
    assert "generate(" not in card and "model.embed_texts(processor, texts)" in card
    assert card.startswith("---") and "\n---\n" in card


def test_a_run_that_does_not_fit_transformers_own_class_is_one_line(tiny_run, tmp_path, capsys):
    assert main(["export", str(tiny_run), str(tmp_path / "made"), "--format", "transformers"]) == 2
    assert one_line(capsys.readouterr().err) == (
        "the encoder is TimmEncoder; LLaVA's layout has a vision transformer of transformers: HFEncoder. "
        "`frozenvl export` without --format writes this model"
    )
    assert not list(tmp_path.iterdir())
    (tmp_path / "notes.txt").write_text("mine")
    options = ("--format", "transformers", "--overwrite", "true")
    assert main(["export", str(tiny_run), str(tmp_path), *options]) == 2
    assert one_line(capsys.readouterr().err) == f"{tmp_path}: not empty; name a new folder"


@pytest.mark.nightly
def test_a_run_as_transformers_own_class_writes_the_same_answers(frozenvl, tmp_path):
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    CLIPVisionModel(CLIPVisionConfig(**sizes, image_size=64, patch_size=16)).save_pretrained("tower")
    CLIPImageProcessor().save_pretrained("tower")
    vision = {
        "class_path": "frozenvl.model.vision.HFEncoder",
        "init_args": {"name": "tower", "grid": 4, "layer": -2},
    }
    parts = ("--model.vision", json.dumps(vision), "--model.k", 16)
    parts += ("--model.mapper", "frozenvl.model.mappers.PatchLinear", "--data.scaled_decoding", "false")
    assert frozenvl("fit", *SHORT, *parts, "--trainer.limit_val_batches", 0) == 0
    assert main(["export", "runs/tiny", "made", "--format", "transformers"]) == 0
    made, processor = (
        AutoModelForImageTextToText.from_pretrained("made"),
        AutoProcessor.from_pretrained("made"),
    )
    trained, scenes = load_trained(Path("runs/tiny")), SceneCaptions("val", 3, resolution=64)
    for at in range(3):
        image = scenes[at].image
        batch = trained.processor([(image, "a")])
        (wanted,) = trained.module.model.generate(batch, trained.processor, 8)
        inputs = processor(images=image.read(), text=f"{processor.image_token}a", return_tensors="pt")
        output = made.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        assert processor.decode(output, skip_special_tokens=True) == wanted
