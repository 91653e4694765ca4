"""Questions of the page, as commands and as programs."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from frozenvl.cli import main
from frozenvl.data.shots_file import shots_text, stored
from frozenvl.prompt import Example
from frozenvl.serve.engine import Engine
from frozenvl.serve.question import SHOTS_FILE, Question
from frozenvl.util.decoding import Decoding


@pytest.fixture(scope="module")
def engine(tiny_run) -> Engine:
    return Engine(tiny_run, "tiny")


def of(photos: Path, number: int):
    return stored(f"{number}.png", (photos / f"{number}.png").read_bytes())


CASES = {
    "caption": Question(None),
    "question": Question(None, "Is the 'cross' blue? $HOME", decoding=Decoding(4)),
    "beams": Question(None, "What?", decoding=Decoding(5, num_beams=3)),
    "sampled": Question(None, "What?", decoding=Decoding(6, temperature=1.5, top_p=0.9, seed=3)),
    "induction": Question(None, "What?", induction="Answer\nwith one word.", decoding=Decoding(4)),
    "shots": Question(None, "What?", decoding=Decoding(4)),
    "caption with shots": Question(None, decoding=Decoding(4)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_command_and_the_program_print_the_page_s_answer(
    name, engine, tiny_run, photos, tmp_path, monkeypatch, capsys
):
    from dataclasses import replace

    image, shown = of(photos, 0), of(photos, 1)
    asked = "" if "caption" in name else "Which?"
    shots = (Example("1", shown, "1", question=asked, answer="red"),) if "shots" in name else ()
    question = replace(CASES[name], image=image, shots=shots)
    monkeypatch.chdir(tmp_path)
    Path("a photo.png").write_bytes(image.load())
    Path(SHOTS_FILE).write_text(
        shots_text(shots, [shown.load() for _ in shots], question.induction), encoding="utf-8"
    )
    answer = engine.answer(question)
    command = question.as_command(tiny_run, Path("a photo.png"))
    capsys.readouterr()
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out.rstrip("\n").removeprefix("a photo.png\t") == answer
    exec(compile(question.as_python(tiny_run, Path("a photo.png")), "copied.py", "exec"), {})
    assert capsys.readouterr().out == answer + "\n"
    assert (SHOTS_FILE in command) == bool(shots or question.induction)


def test_the_program_of_candidates_prints_their_probabilities(engine, tiny_run, photos, monkeypatch, capsys):
    monkeypatch.chdir(photos)
    question = Question(of(photos, 0), "Is the cross blue?")
    ranked = engine.rank(question, ["yes", "no", "it's"])
    program = question.ranked_in_python(tiny_run, Path("0.png"), ["yes", "no", "it's"])
    exec(compile(program, "copied.py", "exec"), {})
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {text: float(share) for share, text in lines} == {text: round(p, 4) for text, p in ranked}
