"""Whole runs on conversations: plain and with a chat template, with several images, one, or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from chat_models import CHATML, chat_model
from PIL import Image
from probes import seen
from running import CONFIG, add, checkpoint, history, same_weights

from frozenvl.training.trained_run import images_of

PLAIN = {"query": "{image}Q: {question} A:", "target": " {target}", "separator": "\n"}


def talk(key: str, images: list[str], *texts: str) -> dict:
    said = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]
    return {"id": key, "conversations": said} | ({"image": images} if images else {})


def conversations(part: str, rows: list[dict], template: dict) -> dict:
    """Writes a file of conversations and its images; returns the task that reads it."""
    folder = Path(part)
    folder.mkdir()
    for number, name in enumerate(name for row in rows for name in row.get("image", ())):
        Image.new("RGB", (64, 64), (20 * number % 255, 100, 200)).save(folder / name)
    Path(f"{part}.json").write_text(json.dumps(rows))
    source = {"annotations": f"{part}.json", "images": part}
    kind = "frozenvl.data.sources.llava.LlavaConversations"
    return {"source": {"class_path": kind, "init_args": source}, "template": template}


ROWS = [
    talk("one", ["1.jpg"], "<image>\nWhat?", "a red circle", "How many?", "3"),
    talk("two", ["2.jpg", "3.jpg"], "<image>Is it <image>?", "yes"),
    talk("none", [], "What color is the circle?", "red", "And now?", "blue"),
    talk("long", [], "How many?", "3", "Which?", "Zażółć gęślą jaźń! " * 15),
    talk("hopeless", [], "What? " * 200, "no"),
]
"""The tiny language model has 512 positions, and 400 tokens, with few words of several letters."""


def written(template: dict, **data: object) -> None:
    tasks = {
        "train": {"talks": conversations("t", ROWS, template)},
        "val": {"talks": conversations("v", ROWS[:4], template)},
    }
    keep = ["lightning.pytorch.callbacks.ModelCheckpoint"]
    tiny = yaml.safe_load(CONFIG.read_text())
    callbacks = [c for c in tiny["trainer"]["callbacks"] if c["class_path"] in keep]
    settings = {
        "data": tasks | {"max_unreadable": 0.5, "batch_size": 2} | data,
        "trainer": {"callbacks": callbacks},
    }
    Path("data.yaml").write_text(yaml.safe_dump(settings))


SETTINGS = ("--trainer.max_steps", 10, "--trainer.val_check_interval", 10, "--model.max_target_tokens", 500,
            "--model.max_positions", 200, "--config", "data.yaml")  # fmt: skip


@pytest.mark.parametrize("chat", [False, True])
def test_conversations_are_trained_on_cut_and_reported(frozenvl, tmp_path, chat, capfd):
    if chat:
        (tmp_path / "chat").mkdir()
        frozenvl.models[1] = str(chat_model(tmp_path / "chat", CHATML))
    written({"chat": True} if chat else PLAIN)
    assert frozenvl("fit", *SETTINGS, *add("probes.Seen", folder="seen")) == 0
    report = json.loads(Path("runs/tiny/data_report.json").read_text())
    assert {row["sample"] for row in report["training"]} == {"hopeless#0"}
    assert all("its first turn has" in row["reason"] for row in report["training"])
    assert {row["sample"] for row in report["cut"]} == {"long#0"} and not report["validation"]
    assert {row["reason"].split(":")[0] for row in report["cut"]} == {"1 of 2 turns left out"}
    trained = [key for keys in seen("seen").values() for key in keys]
    assert len(trained) == 20 and {*trained} == {"one#0", "two#0", "none#0", "long#0"}
    images = images_of(Path("runs/tiny"))
    assert [images[key].name for key in ("two", "two/0", "one/1", "none/1")] == [
        "2.jpg", "3.jpg", "1.jpg", "no image",
    ]  # fmt: skip
    err = capfd.readouterr().err
    assert (
        f"{len(report['cut'])} times, a conversation was too long and was cut after its last whole turn"
        in err
    )
    losses = [row["train/loss"] for row in history("tiny") if "train/loss" in row]
    assert losses and all(loss > 0 for loss in losses)


def test_ranks_and_a_blind_run_take_batches_without_images(frozenvl):
    written(PLAIN, batch_size=4)
    assert frozenvl("fit", *SETTINGS, name="one") == 0
    assert frozenvl("fit", *SETTINGS, name="two", ranks=2) == 0
    one, two = (json.loads(Path(f"runs/{name}/data_report.json").read_text()) for name in ("one", "two"))
    assert {row["sample"] for row in one["cut"]} == {row["sample"] for row in two["cut"]} == {"long#0"}
    assert len(one["cut"]) == len(two["cut"])
    assert frozenvl("fit", *SETTINGS, "--data.blind", "true", name="blind") == 0


def test_text_alone_gives_the_mapper_no_gradient(frozenvl):
    written(PLAIN)
    rows = [row for row in ROWS if row["id"] == "none"]
    Path("t.json").write_text(json.dumps(rows))
    no_decay = ("--model.optimizer.weight_decay", "0")
    assert frozenvl("fit", *SETTINGS, *no_decay, "--trainer.max_steps", 2, name="text") == 0
    after_two = checkpoint("text")
    assert frozenvl("fit", *SETTINGS, *no_decay, "--trainer.max_steps", 4, name="text4") == 0
    assert same_weights(after_two, checkpoint("text4"))
    assert any(key.startswith("model.mapper") for key in after_two["state_dict"])
