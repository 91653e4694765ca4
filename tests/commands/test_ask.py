"""`frozenvl ask`."""

from __future__ import annotations

import json
from pathlib import Path

from running import one_line

from frozenvl.cli import main


def test_ask_uses_the_wording_of_the_run_with_examples_and_induction(tiny_run, pictures, capsys):
    def ask(*options: str) -> str:
        assert (
            main(["ask", str(tiny_run), pictures[0], "Is the cross blue?", "--max_new_tokens", "4", *options])
            == 0
        )
        return capsys.readouterr().out

    lines = (tiny_run / "evaluation" / "vqa-0shot" / "predictions.jsonl").read_text().split("\n")
    record = json.loads(lines[0])
    assert record["question"] == "Is the cross blue?"
    assert ask() == record["text"] + "\n"
    assert ask("--example", pictures[1], "What shape is it?", "square") != ask()
    assert ask("--induction", "Answer with one word.") != ask()


def test_an_unreadable_image_is_an_error_before_the_model_is_loaded(tiny_run, pictures, capsys):
    Path("1.png").write_bytes(Path("1.png").read_bytes()[:300])
    assert main(["ask", str(tiny_run), "1.png", "What?"]) == 2
    assert "1.png: not a readable image" in one_line(capsys.readouterr().err)
