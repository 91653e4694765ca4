"""Examples of a page."""

from __future__ import annotations

import json
import shutil

from frozenvl.serve.examples import MAX_EXAMPLES, examples_of


def test_a_run_shows_what_it_was_evaluated_on(tiny_run, photos):
    examples = examples_of(tiny_run)
    assert 0 < len(examples) <= MAX_EXAMPLES
    assert len({example.file.read_bytes() for example in examples}) == len(examples)
    assert any(example.question for example in examples) and any(not e.question for e in examples)
    rows = [
        json.loads(line)
        for file in tiny_run.glob("evaluation/vqa*/predictions.jsonl")
        for line in file.open()
    ]
    known = {(row["question"], tuple(dict.fromkeys(row["references"]))) for row in rows}
    assert all((e.question, e.references) in known for e in examples if e.question)
    assert examples_of(tiny_run / "checkpoints" / "last.ckpt") == examples


def test_a_damaged_file_shows_nothing_and_nothing_outside_the_run_is_shown(tiny_run, photos, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run / "evaluation" / "captions", run / "evaluation" / "captions")
    shown = run / "evaluation" / "captions" / "shown.json"
    row = {"id": "1", "prompt": [{"image": "../../../secret.png"}], "references": ["a"]}
    shutil.copy(photos / "0.png", tmp_path / "secret.png")
    for text in ("[", "{}", '[{"id": 1}]', json.dumps([row])):
        shown.write_text(text)
        assert examples_of(run) == []
    files = [example.file for example in examples_of(run, photos)]
    assert files == sorted(photos.glob("*.png"))
