"""`frozenvl match`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clips import write_clip
from running import one_line

from frozenvl.cli import main
from frozenvl.prompt import ImageFile, Sample
from frozenvl.retrieval.load import load_model
from frozenvl.video import Sampling, Video

TEXTS = ["a large red circle", "a blue star", "yes"]


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def differences(run: Path) -> list[float]:
    """Returns log p(text | image) - log p(text) of each text, from two scores of the model."""
    model, processor, _ = load_model(run)
    seen = model.score(processor([Sample(t, (ImageFile(Path("0.png")),), t) for t in TEXTS]))
    alone = model.score(processor.for_texts()([Sample(t, (), t) for t in TEXTS]))
    return (seen - alone).tolist()


def test_a_line_for_each_text_with_cosine_and_likelihood_difference(retrieval_run, pictures, capsys):
    assert main(["match", str(retrieval_run), "0.png", *TEXTS]) == 0
    header, *found = rows(capsys.readouterr().out)
    assert header == ["cosine", "match", "difference", "text"] and [row[3] for row in found] == TEXTS
    assert [row[1] for row in found] == ["-"] * 3
    assert [float(row[2]) for row in found] == pytest.approx(differences(retrieval_run), abs=2e-3)
    model, processor, _ = load_model(retrieval_run)
    cosines = (
        model.embed_texts(processor, TEXTS) @ model.embed_images(processor, [ImageFile(Path("0.png"))]).T
    )
    assert [float(row[0]) for row in found] == pytest.approx(cosines[:, 0].tolist(), abs=2e-4)


def test_a_model_without_a_head_has_the_likelihood_difference(tiny_run, pictures, capsys):
    assert main(["match", str(tiny_run), "0.png", *TEXTS]) == 0
    _, *found = rows(capsys.readouterr().out)
    assert [row[0] for row in found] == ["-"] * 3
    assert [float(row[2]) for row in found] == pytest.approx(differences(tiny_run), abs=2e-3)


def test_a_matching_head_has_a_column_and_is_no_embedding_head(frozenvl, pictures, capsys):
    head = {"m": {"class_path": "frozenvl.model.heads.Matching"}}
    objectives = {"m": {"class_path": "frozenvl.objectives.Matching", "init_args": {"temperature": 0.1}}}
    asked = ("--model.heads", json.dumps(head), "--model.objectives", json.dumps(objectives))
    assert frozenvl("fit", *asked, "--trainer.max_steps", 1, "--trainer.limit_val_batches", 0, name="m") == 0
    capsys.readouterr()
    assert main(["match", "runs/m", "0.png", *TEXTS]) == 0
    _, *found = rows(capsys.readouterr().out)
    model, processor, _ = load_model(Path("runs/m"))
    expected = model.match(processor, [(ImageFile(Path("0.png")), text) for text in TEXTS])
    assert [row[0] for row in found] == ["-"] * 3
    assert [float(row[1]) for row in found] == pytest.approx(expected.tolist(), abs=2e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nowhere.png", "a dog"], "nowhere.png: no such image"),
        (["0.png", "a dog", " "], "text 2 is empty; leave it out"),
        (["0.png"], "the following arguments are required: TEXT"),
        (["0.png", "a dog", "--head", "x"], "has no embedding head; train one"),
    ],
    ids=str,
)
def test_bad_options_are_one_error_line(tiny_run, pictures, options, said, capsys):
    assert main(["match", str(tiny_run), *options]) == 2
    assert said in one_line(capsys.readouterr().err)


def test_texts_are_judged_beside_a_video(retrieval_run, pictures, capsys):
    clip = Video(write_clip(Path("clip.mp4"), 6, "mpeg4"), Sampling(frames=3))
    assert main(["match", str(retrieval_run), "clip.mp4", *TEXTS, "--frames", "3"]) == 0
    _, *found = rows(capsys.readouterr().out)
    model, processor, captioning = load_model(retrieval_run)
    cosines = model.embed_texts(processor, TEXTS) @ model.embed_images(processor, [clip]).T
    assert [float(row[0]) for row in found] == pytest.approx(cosines[:, 0].tolist(), abs=2e-4)
    pairs = [(clip, text) for text in TEXTS]
    scores = model.match_by_likelihood(processor, pairs, captioning, end_token=True)
    assert [float(row[2]) for row in found] == pytest.approx(scores.tolist(), abs=2e-3)
