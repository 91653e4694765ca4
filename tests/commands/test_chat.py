"""`frozenvl chat`."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import Runs, one_line
from transformers import AutoTokenizer

from frozenvl.cli import main
from frozenvl.model.conversation import Conversation
from frozenvl.prompt import ImageFile
from frozenvl.retrieval.load import load_model

CHAT = (
    "{% for m in messages %}{{ m.role[0] + ': ' + m.content + '<end>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'a:' }}{% endif %}"
)
NOTES = ("frozenvl: ", "undone: ", "demonstrations: ", "stopped")
QUESTION = "Is the cross blue?"


@pytest.fixture
def chat(tiny_run, pictures, monkeypatch, capsys):
    """Function that runs the command with lines of input; returns the lines of stdout and of stderr."""

    def run(text: str, *options: str, run: Path = tiny_run) -> tuple[list[str], list[str]]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        assert main(["chat", str(run), *options, "--max_new_tokens", "4"]) == 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return out.splitlines(), [line for line in err.splitlines() if line.startswith(NOTES)]

    return run


def test_a_question_gets_the_answer_of_ask_and_the_next_one_knows_it(chat, tiny_run, pictures, capsys):
    assert main(["ask", str(tiny_run), pictures[0], QUESTION, "--max_new_tokens", "4"]) == 0
    answer = capsys.readouterr().out.rstrip("\n")
    out, _ = chat(f"{QUESTION}\nWhat shape is it?\n", pictures[0])
    model, processor, _ = load_model(tiny_run)
    conversation = model.chat(processor, max_new_tokens=4)
    expected = [
        conversation.say(ImageFile(Path(pictures[0])), QUESTION),
        conversation.say("What shape is it?"),
    ]
    assert out == expected and out[0] == answer
    alone, _ = chat("What shape is it?\n")
    assert len(alone) == 1


def test_undo_takes_a_turn_back_with_its_image(chat, pictures):
    out, err = chat(f"{QUESTION}\n/undo\n{QUESTION}\n/undo\n/undo\n/quit\nnever read\n", pictures[0])
    assert out[0] == out[1] and len(out) == 2
    assert err == [f"undone: {QUESTION}"] * 2 + ["frozenvl: there is no turn to undo"]


def test_another_image_is_shown_with_the_next_message(chat, pictures):
    shutil.copy(pictures[1], "a photo.png")
    lines = f"{QUESTION}\n/image {pictures[1]}\n{QUESTION}\n/save talk.json\n"
    out, _ = chat(lines, pictures[0])
    spaced, _ = chat(lines.replace(pictures[1], "a photo.png"), pictures[0])
    quoted, _ = chat(lines.replace(pictures[1], "'a photo.png'"), pictures[0])
    assert out == spaced == quoted
    (record,) = json.loads(Path("talk.json").read_text(encoding="utf-8"))
    assert record["image"] == [pictures[0], "a photo.png"]
    assert [message["value"] for message in record["conversations"][::2]] == [f"<image>{QUESTION}"] * 2
    assert [message["value"] for message in record["conversations"][1::2]] == out


def test_demonstrations_come_from_a_saved_conversation_or_from_examples(chat, pictures):
    ask = f"/image {pictures[0]}\n{QUESTION}\n"
    Path("shots.json").write_text(
        json.dumps(
            [{"image": pictures[1], "conversations": [
                {"from": "human", "value": "<image>\nWhat shape is it?"}, {"from": "gpt", "value": "a square"}]}]
        )
    )  # fmt: skip
    shown, err = chat("/shots shots.json\n" + ask)
    assert err[0] == "demonstrations: 1"
    one, _ = chat(f"/shots {pictures[1]} 'What shape is it?' 'a square'\n" + ask)
    none, _ = chat(f"/shots shots.json\n/shots off\n{ask}")
    plain, _ = chat(ask)
    assert none == plain and one != plain and len(shown) == 1


def test_pictures_are_found_by_text_and_shown_with_the_next_message(chat, retrieval_run, pictures, capsys):
    Path("photos").mkdir()
    for name in pictures:
        shutil.copy(name, Path("photos") / name)
    assert main(["retrieve", str(retrieval_run), "a red circle", "--images", "photos", "--top", "4"]) == 0
    found = capsys.readouterr().out.splitlines()
    lines = f"/find a red circle\n{QUESTION}\n"
    out, _ = chat(lines, "--images", "photos", run=retrieval_run)
    best = found[0].split("\t")[2]
    shown, _ = chat(f"/image {best}\n{QUESTION}\n", run=retrieval_run)
    assert out == [*found, *shown]
    nothing, err = chat("/find\n/find a\n", run=retrieval_run)
    assert nothing == [] and all("/find needs a folder" in line for line in err) and len(err) == 2
    _, err = chat("/find \n", "--images", "photos", run=retrieval_run)
    assert err == ["frozenvl: /find needs a text that says what the picture shows"]


def test_a_model_without_an_embedding_head_finds_nothing(chat, pictures, tiny_run, capsys):
    Path("photos").mkdir()
    shutil.copy(pictures[0], "photos")
    out, err = chat("/find a\n", "--images", "photos")
    assert out == [] and "embedding head" in err[0] and len(err) == 1
    assert main(["chat", str(tiny_run), "--images", "nowhere"]) == 2
    assert one_line(capsys.readouterr().err).startswith("nowhere: not a folder")


def test_wrong_input_gets_one_line_and_the_conversation_goes_on(chat, pictures):
    Path("bad.png").write_bytes(Path(pictures[1]).read_bytes()[:300])
    said = [{"from": "human", "value": "<image>a"}, {"from": "gpt", "value": "b"}]
    Path("unseen.json").write_text(json.dumps([{"image": "no-such.png", "conversations": said}]))
    wrong = {
        "/nothing": "no command /nothing; /help lists them",
        "/": "no command /; /help lists them",
        "/say a": "no command /say; /help lists them",
        "/image": "/image needs the name of an image file",
        "/image none.png": "none.png: no such image",
        "/image bad.png": "bad.png: not a readable image",
        "/image 'a": "a quotation mark is not closed",
        "/shots": "/shots needs a .json file",
        "/shots a b": "/shots needs a .json file",
        "/shots none.json": "none.json: no such file",
        "/shots bad.png": "bad.png: ",
        "/shots unseen.json": "no-such.png: no such image",
        "/save talk.json": "there is no turn to save",
        "/save": "/save needs the name of a .json file",
        "/undo": "there is no turn to undo",
    }
    out, err = chat(
        "\n".join([*wrong, "", QUESTION, "/save 0.png/talk.json", "/save talk.png", ""]), pictures[0]
    )
    expected, _ = chat(QUESTION, pictures[0])
    assert out == expected
    lines = [line for line in err if line.startswith("frozenvl: ")]
    assert len(lines) == len(wrong) + 2 + (not out[0])
    for (given, message), line in zip(wrong.items(), lines, strict=False):
        assert message in line, given


def test_help_lists_the_commands(chat):
    out, _ = chat("/help\n")
    assert {line.split()[0] for line in out} == {
        "/image",
        "/find",
        "/undo",
        "/shots",
        "/save",
        "/help",
        "/quit",
    }


def test_ctrl_c_stops_an_answer_and_nothing_else(chat, pictures, monkeypatch):
    decode, calls = Conversation._decode, []

    def interrupted(self, batch, limit):
        for number, item in enumerate(decode(self, batch, limit)):
            calls.append(number)
            if len(calls) == 3:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(Conversation, "_decode", interrupted)
    out, err = chat(f"{QUESTION}\n{QUESTION}\n", pictures[0])
    assert "stopped" in err and len(out) >= 1


def test_a_real_interrupt_at_the_prompt_does_not_end_the_program(tiny_run, pictures):
    command = [sys.executable, "-m", "frozenvl", "chat", str(tiny_run), pictures[0], "--max_new_tokens", "4"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdin.write(f"{QUESTION}\n/help\n")
        process.stdin.flush()
        while not process.stdout.readline().startswith("/quit"):
            pass
        time.sleep(0.3)  # until it waits for a line
        process.send_signal(signal.SIGINT)
        err = ""
        while "/quit ends" not in err:
            err += process.stderr.readline()
        err += process.communicate("/undo\n")[1]
    assert process.returncode == 0 and f"undone: {QUESTION}" in err and "Traceback" not in err


def test_an_export_talks_as_its_run_does(chat, tiny_run, pictures, tmp_path, capsys):
    assert main(["export", str(tiny_run), str(tmp_path / "out")]) == 0
    capsys.readouterr()
    lines = f"{QUESTION}\nWhat shape is it?\n"
    assert chat(lines, pictures[0], run=tmp_path / "out")[0] == chat(lines, pictures[0])[0]
    wording = json.loads((tmp_path / "out" / "config.json").read_text())["template"]
    assert wording["query"] == "{image}Question: {question} Answer:" and wording["stop"] == [
        "\n",
        "Question:",
    ]


@pytest.fixture(scope="module")
def chat_run(tmp_path_factory, tiny_language, tiny_vision, feature_home):
    """Folder of a run that was trained with its language model's chat template. Tests only read it."""
    language = tmp_path_factory.mktemp("chatting") / "language"
    shutil.copytree(tiny_language, language)
    tokenizer = AutoTokenizer.from_pretrained(language)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(language)
    wording = json.dumps({"query": "{image}{question}", "chat": True})
    captions = json.dumps({"query": "{image}Describe it.", "chat": True, "stop": ["\n"]})
    options = ("--trainer.max_steps", 2, "--trainer.val_check_interval", 2)
    options += ("--data.train.vqa.template", wording, "--data.val.vqa.template", wording)
    options += ("--data.train.captions.template", captions, "--data.val.captions.template", captions)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("chat_run"))
        assert Runs(language, tiny_vision)("fit", *options) == 0
        return Path("runs/tiny").absolute()


def test_a_run_that_was_trained_with_a_chat_template_talks_in_it(chat, chat_run, pictures, tmp_path, capsys):
    lines = f"{QUESTION}\nWhat shape is it?\n"
    out, _ = chat(lines, pictures[0], run=chat_run)
    told, _ = chat(lines, pictures[0], "--system", "Be brief.", run=chat_run)
    assert main(["export", str(chat_run), str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert chat(lines, pictures[0], run=tmp_path / "out")[0] == out
    assert load_model(chat_run).model.template.chat and len(out) == 2 and len(told) >= 2


def test_ask_and_caption_use_the_chat_template(chat, chat_run, pictures, capsys):
    out, _ = chat(f"{QUESTION}\n", pictures[0], run=chat_run)
    assert main(["ask", str(chat_run), pictures[0], QUESTION, "--max_new_tokens", "4"]) == 0
    assert capsys.readouterr().out.rstrip("\n") == "\n".join(out)
    answer = ["ask", str(chat_run), pictures[0], QUESTION, "--max_new_tokens", "4"]
    assert main([*answer, "--example", pictures[1], "What?", "square", "--induction", "Be brief."]) == 0
    assert main(["caption", str(chat_run), pictures[0], "--max_new_tokens", "4"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{pictures[0]}\t")


def test_an_unreadable_image_is_an_error_before_the_model_is_loaded(tiny_run, pictures, capsys):
    Path("1.png").write_bytes(Path("1.png").read_bytes()[:300])
    assert main(["chat", str(tiny_run), "1.png"]) == 2
    assert "1.png: not a readable image" in one_line(capsys.readouterr().err)
    assert main(["chat", str(tiny_run), "--max_new_tokens", "0"]) == 2
