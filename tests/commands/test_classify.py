"""`frozenvl classify`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import clip_bytes
from running import one_line

from frozenvl.cli import main
from frozenvl.prompt import ImageFile, Sample
from frozenvl.retrieval.load import load_model
from frozenvl.video import Sampling, Video

LABELS = ["red circle", "blue star", "square"]


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def shares(scores: np.ndarray) -> dict[str, float]:
    """Returns the probability of each label, from independent scores."""
    powers = np.exp(scores - scores.max())
    return dict(zip(LABELS, powers / powers.sum(), strict=True))


def test_labels_are_compared_by_embedding_with_averaged_templates(retrieval_run, pictures, capsys):
    Path("1.png").write_bytes(b"no image")
    templates = ["a {label}.", "{label}"]
    options = ["--labels", *LABELS, "--template", templates[0], "--template", templates[1]]
    assert main(["classify", str(retrieval_run), "0.png", "1.png", "2.png", *options]) == 0
    printed = capsys.readouterr()
    assert "1.png: not a readable image" in printed.err
    model, processor, _ = load_model(retrieval_run)
    vectors = [
        model.embed_texts(processor, [t.format(label=label) for t in templates]).mean(0) for label in LABELS
    ]
    scale = model.objectives["contrastive"].log_scale.exp().item()
    assert scale == pytest.approx(1 / 0.07, rel=0.1)
    found = rows(printed.out)
    assert [row[0] for row in found] == ["0.png"] * 3 + ["2.png"] * 3
    for name in ("0.png", "2.png"):
        (image,) = model.embed_images(processor, [ImageFile(Path(name))])
        cosines = np.array([(v @ image / v.norm()).item() for v in vectors])
        mine = {row[1]: float(row[2]) for row in found if row[0] == name}
        assert mine == pytest.approx(shares(scale * cosines), abs=2e-4)
        assert list(mine.values()) == sorted(mine.values(), reverse=True)
    assert main(["classify", str(retrieval_run), "0.png", *options, "--scale", "1000", "--top", "1"]) == 0
    ((_, label, value),) = rows(capsys.readouterr().out)
    assert label == found[0][1] and float(value) > float(found[0][2])


def test_without_a_head_labels_are_compared_by_likelihood(tiny_run, pictures, capsys):
    Path("labels.txt").write_text("\n".join(LABELS))
    options = ["--labels_file", "labels.txt", "--template", "a {label}"]
    assert main(["classify", str(tiny_run), "0.png", *options]) == 0
    printed = capsys.readouterr()
    assert "no embedding head, so labels are compared by likelihood" in printed.err
    model, processor, _ = load_model(tiny_run)
    texts = [f"a {label}" for label in LABELS]
    seen = model.score(processor([Sample(t, (ImageFile(Path("0.png")),), t) for t in texts]))
    alone = model.score(processor.for_texts()([Sample(t, (), t) for t in texts]))
    mine = {row[1]: float(row[2]) for row in rows(printed.out)}
    assert mine == pytest.approx(shares((seen - alone).numpy()), abs=2e-4)
    assert main(["classify", str(tiny_run), "0.png", *options, "--by", "likelihood"]) == 0
    again = capsys.readouterr()
    assert again.out == printed.out and "no embedding head" not in again.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--labels", "cat", "dog", "cat"], "--labels: the label 'cat' stands there twice (1 and 3)"),
        (["--labels", "cat"], "--labels: 1 label; a choice needs at least two"),
        (["--labels_file", "empty.txt"], "empty.txt: holds no text; write one in each line"),
        (["--labels_file", "twice.txt"], "twice.txt: the label 'cat' stands there twice (1 and 2)"),
        ([], "one of the arguments --labels --labels_file is required"),
        (["--labels", "a", "b", "--template", "a photo"], "--template 'a photo': needs the field {label}"),
        (["--labels", "a", "b", "--scale", "0"], "argument --scale: 0 is not above 0"),
        (["--labels", "a", "b", "--by", "likelihood", "--scale", "3"], "are for embeddings; leave them out"),
        (["--labels", "a", "b", "--by", "embedding"], "has no embedding head; train one"),
    ],
    ids=str,
)
def test_bad_options_are_one_error_line(tiny_run, pictures, options, said, capsys):
    Path("empty.txt").touch()
    Path("twice.txt").write_text("cat\ncat\n")
    assert main(["classify", str(tiny_run), "0.png", *options]) == 2
    assert said in one_line(capsys.readouterr().err)


def test_no_readable_image_is_an_error(tiny_run, pictures, capsys):
    Path("0.png").write_bytes(b"no image")
    options = ["--labels", "a", "b", "--by", "likelihood"]
    assert main(["classify", str(tiny_run), "0.png", *options]) == 2
    printed = capsys.readouterr()
    assert "0.png: not a readable image" in printed.err
    assert "none of the images is readable; check the paths" in one_line(printed.err)


@pytest.mark.parametrize("by", ["embedding", "likelihood"])
def test_videos_of_a_folder_are_classified_and_broken_ones_listed(retrieval_run, pictures, by, capsys):
    Path("both").mkdir()
    Path("both/clip.mp4").write_bytes(clip_bytes(100, 6))
    Path("both/cut.mp4").write_bytes(clip_bytes(200)[:300])
    Path("0.png").rename("both/image.png")
    Path("both/zero.png").write_bytes(b"no image")
    options = ["--labels", *LABELS, "--by", by, "--template", "a {label}", "--frames", "2"]
    assert main(["classify", str(retrieval_run), "both", *options]) == 0
    printed = capsys.readouterr()
    assert [row[0] for row in rows(printed.out)] == ["both/clip.mp4"] * 3 + ["both/image.png"] * 3
    assert "both/cut.mp4: " in printed.err and "both/zero.png: not a readable image" in printed.err
    assert "2 unreadable images were left out" in printed.err
    model, processor, captioning = load_model(retrieval_run)
    clip, texts = Video("both/clip.mp4", Sampling(frames=2)), [f"a {label}" for label in LABELS]
    if by == "likelihood":
        scores = model.match_by_likelihood(
            processor, [(clip, text) for text in texts], captioning, end_token=True
        )
    else:
        cosines = model.embed_texts(processor, texts) @ model.embed_images(processor, [clip])[0]
        scores = model.objectives["contrastive"].log_scale.exp() * cosines
    mine = {row[1]: float(row[2]) for row in rows(printed.out) if row[0] == "both/clip.mp4"}
    assert mine == pytest.approx(shares(scores.detach().numpy()), abs=2e-4)
