"""`frozenvl import`: a run of a model in LLaVA's layout, which answers as transformers does and trains further."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from llava_folders import SIDE, llava_folder
from painted import Painted
from running import one_line
from transformers import AutoModelForImageTextToText, AutoProcessor

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.prompt import Example
from frozenvl.training.trained_run import load_trained
from frozenvl.util.decoding import Decoding

KINDS = {
    "clip": {},
    "siglip": {"tower": "siglip"},
    "linear": {"projector_hidden_act": "linear"},
    "layer -1": {"vision_feature_layer": -1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_imported_model_answers_as_transformers_does(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = llava_folder(tmp_path / "llava", **KINDS[kind])
    assert main(["import", str(folder), "run"]) == 0
    theirs = AutoModelForImageTextToText.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    trained = load_trained(Path("run"))
    texts = []
    for colour in ("red", "blue"):
        image = Painted(colour, (SIDE, SIDE))
        content = [{"type": "image"}, {"type": "text", "text": "what is it?"}]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        inputs = processor(images=image.read(), text=text, return_tensors="pt")
        output = theirs.generate(**inputs, max_new_tokens=12, do_sample=False)
        wanted = processor.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        prompt = trained.answering.prompt(Example(image.name, image, "", question="what is it?"))
        model = trained.module.model
        (got,) = model.answers(trained.processor, [prompt], trained.answering, Decoding(12))
        assert got == wanted.strip()
        texts.append(got)
    assert len({*texts}) == 2  # the image matters


def test_an_imported_run_is_asked_trained_further_and_written_back(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["import", str(llava_folder(tmp_path / "llava")), "run"]) == 0
    assert "logits are equal" in capfd.readouterr().out
    Path("data/images").mkdir(parents=True)
    source, turns = SceneCaptions("train", 40, resolution=SIDE), []
    for at in range(40):
        example = source[at]
        example.image.read().save(f"data/images/{at}.png")
        said = [("human", "<image>\nwhat is it?"), ("gpt", example.references[0])]
        turns.append(
            {
                "id": str(at),
                "image": f"{at}.png",
                "conversations": [{"from": who, "value": text} for who, text in said],
            }
        )
    Path("data/conversations.json").write_text(json.dumps(turns))
    assert main(["ask", "run", "data/images/0.png", "what is it?"]) == 0
    share = "0.2"
    shorter = [
        *("--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--data.batch_size", "4"),
        *("--data.train.conversations.source.ask_share", share),
        *("--data.val.conversations.source.ask_share", share),
    ]
    start = ["--config", "run/config.yaml", "--init_from", "run/checkpoints/last.ckpt", "--data.root", "data"]
    assert main(["fit", *start, "--name", "further", *shorter, "--trainer.enable_progress_bar", "false"]) == 0
    assert main(["export", "runs/further", "back", "--format", "transformers"]) == 0
    assert type(AutoModelForImageTextToText.from_pretrained("back")).__name__.startswith("Llava")


def test_folders_that_are_refused(tmp_path, monkeypatch, capfd, tiny_language):
    monkeypatch.chdir(tmp_path)
    for given, message in (
        ("./nowhere", "no such folder"),
        (str(tiny_language), "a model of the type llama; only LLaVA's layout"),
    ):
        assert main(["import", given, "run"]) == 2
        assert message in one_line(capfd.readouterr().err) and not Path("run").exists()
    Path("taken").mkdir()
    Path("taken/mine").write_text("x")
    assert main(["import", str(llava_folder(tmp_path / "llava")), "taken"]) == 2
    assert "is not empty" in one_line(capfd.readouterr().err)
    assert [path.name for path in Path("taken").iterdir()] == ["mine"]


def test_the_configuration_has_the_wording_and_absolute_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["import", str(llava_folder(tmp_path / "llava")), "run"]) == 0
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    assert (
        config["data"]["val"]["conversations"]["template"]["query"] == "USER: {image}\n{question} ASSISTANT:"
    )
    assert Path(config["model"]["language"]) == tmp_path / "run" / "language"
