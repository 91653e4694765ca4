"""Result files of an evaluation."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from suites import coco
from toy import Broken, Rows, Square, question

from frozenvl.evaluation import FewShotVQA
from frozenvl.evaluation.query import Answer
from frozenvl.evaluation.requests import Evaluation, evaluation_of, in_order
from frozenvl.evaluation.results import MAX_SHOWN, with_thumbnails, write_results
from frozenvl.evaluation.suite import session_of
from frozenvl.prompt import Delimiter
from frozenvl.util.files import read_json
from frozenvl.video import Video

ODD = "a\u2028b \u2029 c\x85d \r e \x1c f \0"
"""Text with all characters that end a line in some program."""


@pytest.fixture
def session(tiny_trained, tmp_path):
    return session_of(tiny_trained, tmp_path, ["seeing"], 4, None)


def evaluated(session, texts, view="seeing", image=None) -> Evaluation:
    """Writes the results of an evaluation with these answers; returns the evaluation."""
    benchmark = FewShotVQA(source=Rows(*(question(n, image) for n in range(len(texts)))), shots=[0])
    benchmark.name = "vqa"
    (setting,) = benchmark.settings()
    queries = in_order("vqa", benchmark.queries(setting), session)
    evaluation = evaluation_of(benchmark, setting, view, session, queries)
    requests = sorted(evaluation.requests, key=lambda request: request.query.id)
    write_results(evaluation, [(x, Answer(x.query, text)) for x, text in zip(requests, texts, strict=True)])
    return evaluation


def test_right_and_wrong_answers_are_shown_with_their_prompts(session):
    texts = ["yes"] * 9 + ["no"] * 9
    folder = session.folder / evaluated(session, texts).name
    shown = json.loads((folder / "shown.json").read_text())
    assert [sum(row["right"] == value for row in shown) for value in (0, 1)] == [MAX_SHOWN, MAX_SHOWN]
    for row in shown:
        assert [*row["prompt"][0]] == ["image"] and row["prompt"][1]["text"].startswith("Question: Is it ")
        with Image.open(folder / row["prompt"][0]["image"]) as picture:
            assert max(picture.size) <= 160
    score = json.loads((folder / "score.json").read_text())
    assert score["scores"]["overall"] == 50 and score["samples"] == score["of"] == 18


def test_borders_of_a_chat_are_shown_as_line_ends():
    prompt = (Delimiter("opening", "Be brief."), "Is it?", Delimiter("reply"), "no", Delimiter("end of turn"))
    parts, pictures = with_thumbnails((*prompt, Delimiter("next"), "Sure?", Delimiter("reply")), 1)
    assert "".join(part["text"] for part in parts) == "Be brief.\nIs it?\nno\nSure?\n" and not pictures


def test_notes_of_the_scores_are_saved(session):
    """All annotators gave "yes", and the official rules do not normalise "Yes." there."""
    for text, noted in (("Yes.", ["lavis's rules would give 100.0 (100.0 more)"]), ("yes", [])):
        folder = session.folder / evaluated(session, [text] * 2).name
        notes = json.loads((folder / "score.json").read_text())["notes"]
        assert [note[: len(start)] for note, start in zip(notes, noted, strict=True)] == noted


def test_texts_with_any_characters_are_saved_and_drawn(session):
    folder = session.folder / evaluated(session, [ODD, "yes"]).name
    rows = read_json(folder / "predictions.jsonl")
    assert [row["text"] for row in rows] == [ODD, "yes"]
    assert (folder / "gallery.png").is_file()


def test_unreadable_images_do_not_matter_in_the_text_only_view(session):
    """The model saw only text, so the answers are valid."""
    folder = session.folder / evaluated(session, ["yes", "no"], "text-only", Broken()).name
    shown = json.loads((folder / "shown.json").read_text())
    assert len(shown) == 2 and not any("image" in part for row in shown for part in row["prompt"])


def test_unreadable_prompts_are_reported_and_count_as_wrong(evaluate, run, tmp_path, capfd):
    suite = coco(tmp_path / "data", "a dog", "red")
    (tmp_path / "data/2.png").unlink()
    assert evaluate(suite) == 0
    assert "mine: 1 of 2 prompts could not be read and count as wrong" in capfd.readouterr().err
    assert json.loads((run / "evaluation/mine/score.json").read_text())["unreadable"] == 1


def test_a_prompt_is_shown_with_the_frames_of_its_video():
    prompt = (Video([Square("a.png", (200, 0, 0)), Square("b.png", (0, 0, 200))]), "What is it?")
    parts, pictures = with_thumbnails(prompt, 3)
    assert parts == [{"image": "shown/3-1.jpg"}, {"image": "shown/3-2.jpg"}, {"text": "What is it?"}]
    colours = [Image.open(io.BytesIO(data)).getpixel((5, 5)) for data in pictures.values()]
    assert colours[0][0] > 150 > colours[1][0]
