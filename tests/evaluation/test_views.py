"""Views: real images, black images, text only; and unreadable images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from suites import LOOP, POOL, QUESTIONS, rows_of, toy
from toy import Broken, Rows

from frozenvl.evaluation import Captions, FewShotVQA, Fixed
from frozenvl.evaluation.suite import check_suite, run_suite, session_of
from frozenvl.prompt import BlackImage, Example
from frozenvl.util.decoding import Decoding


def test_each_view_changes_the_images_of_prompts(tiny_trained, tmp_path):
    """Compares with prompts that are changed here."""
    benchmark = FewShotVQA(source=QUESTIONS, pool=POOL, shots=[2], way=Fixed(), max_new_tokens=6)
    captions = Captions(source=QUESTIONS, max_new_tokens=6)
    session = session_of(tiny_trained, tmp_path, ["seeing", "test-blind", "text-only"], 2, None)
    suite = toy(vqa=benchmark, captions=captions)
    check_suite(suite, session)
    run_suite(suite, session)
    (setting,) = benchmark.settings()
    changes = {
        "-test-blind": lambda prompt: tuple(x if isinstance(x, str) else BlackImage() for x in prompt),
        "-text-only": lambda prompt: ("".join(x for x in prompt if isinstance(x, str)),),
        "": lambda prompt: prompt,
    }
    generated = {}
    for suffix, change in changes.items():
        found = rows_of(tmp_path / f"vqa-2shot{suffix}")
        for index in range(5):
            query = benchmark.queries(setting)[index]
            prompt = change(query.prompt)
            batch = tiny_trained.processor([prompt])
            expected = tiny_trained.module.model.generate(
                batch, tiny_trained.processor, 6, ("\n", "Question:")
            )
            generated[suffix, index] = found[query.id]["generated"]
            assert [generated[suffix, index]] == expected
            names = [part["image"] for part in found[query.id]["prompt"] if "image" in part]
            assert names == [x.name for x in prompt if not isinstance(x, str)]
    assert any(generated["", n] != generated["-test-blind", n] for n in range(5))
    assert any(generated["-text-only", n] != generated["-test-blind", n] for n in range(5))
    black = tiny_trained.module.model.answers(
        tiny_trained.processor, [(BlackImage(),)], captions.template, Decoding(6)
    )
    assert {row["text"] for row in rows_of(tmp_path / "captions-test-blind").values()} == set(black)
    assert {row["text"] for row in rows_of(tmp_path / "captions").values()} != set(black)
    shown = json.loads((tmp_path / "vqa-2shot-text-only" / "shown.json").read_text())
    assert shown and all("image" not in part for row in shown for part in row["prompt"])


def test_a_run_that_was_trained_blind_is_evaluated_with_black_images(frozenvl, evaluate):
    assert frozenvl("fit", "--data.blind", "true", "--trainer.max_steps", 1, name="blind") == 0
    blind = Path("runs/blind")
    shutil.rmtree(blind / "evaluation", ignore_errors=True)
    assert evaluate(LOOP, checkpoint=blind) == 0
    found = rows_of(blind / "evaluation/vqa-2shot")
    assert {p["image"] for row in found.values() for p in row["prompt"] if "image" in p} == {"black"}
    assert len({row["generated"] for row in rows_of(blind / "evaluation/captions").values()}) == 1
    score = json.loads((blind / "evaluation/vqa-2shot/score.json").read_text())
    assert score["provenance"]["blind"] is True and score["view"] == "seeing"


def test_unreadable_images_count_as_wrong_and_are_counted(tiny_trained, tmp_path):
    """Holds for images of queries and of demonstrations, but not in the text-only view."""
    broken = Example("broken", Broken(), "x", ("yes",) * 10, "Is it torn?", "yes")
    pool = Rows(*POOL.examples, Example("torn", Broken("torn"), "y", ("no",) * 10, "Is it?", "no"))
    benchmark = FewShotVQA(source=Rows(*QUESTIONS.examples, broken), pool=pool, shots=[4], max_new_tokens=3)
    suite = toy(vqa=benchmark)
    session = session_of(tiny_trained, tmp_path, ["seeing", "text-only"], 4, None)
    check_suite(suite, session)
    run_suite(suite, session)
    seeing, text = rows_of(tmp_path / "vqa-4shot"), rows_of(tmp_path / "vqa-4shot-text-only")
    lost = {key for key, row in seeing.items() if "unreadable" in row}
    with_torn = {k for k, row in seeing.items() if {"image": "torn"} in row["prompt"]}
    assert lost == with_torn | {"broken"} and with_torn and len(lost) < 6
    assert all(seeing[key]["text"] == "" and not seeing[key]["ended"] for key in lost)
    score = json.loads((tmp_path / "vqa-4shot" / "score.json").read_text())
    assert score["unreadable"] == len(lost) and score["samples"] == 6
    assert not any("unreadable" in row for row in text.values())
