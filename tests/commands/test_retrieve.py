"""`frozenvl retrieve`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from clips import clip_bytes
from PIL import Image
from running import one_line

from frozenvl.cli import main
from frozenvl.prompt import ImageFile
from frozenvl.retrieval.load import load_model
from frozenvl.video import Sampling, Video


@pytest.fixture
def folder(pictures) -> Path:
    """Folder with five pictures."""
    Path("photos").mkdir()
    for name in pictures:
        shutil.move(name, f"photos/{name}")
    return Path("photos")


def rows(capsys) -> list[list[str]]:
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def expected(run: Path, texts: list[str], images: list[Path]) -> torch.Tensor:
    """Returns the cosines (texts, images) by the model itself."""
    model, processor, _ = load_model(run)
    files = [ImageFile(path) for path in images]
    return model.embed_texts(processor, texts) @ model.embed_images(processor, files).T


def test_images_are_found_by_text_with_the_scores_of_the_model(retrieval_run, folder, capsys):
    query = "a large red circle"
    assert main(["retrieve", str(retrieval_run), query, "--images", "photos", "--top", "3"]) == 0
    found = rows(capsys)
    files = sorted(folder.glob("*.png"))
    (scores,) = expected(retrieval_run, [query], files)
    best = scores.argsort(descending=True, stable=True)[:3].tolist()
    assert [row[0] for row in found] == ["1", "2", "3"]
    assert [row[2] for row in found] == [f"photos/{files[place].name}" for place in best]
    assert [float(row[1]) for row in found] == pytest.approx(
        [scores[place].item() for place in best], abs=2e-4
    )


def test_the_index_of_a_run_serves_its_export_and_broken_images_are_listed(
    retrieval_run, retrieval_export, folder, capsys
):
    (folder / "bad.jpg").write_bytes(b"no image")
    query = ["a red circle", "--images", "photos", "--gallery", "g.png"]
    assert main(["retrieve", str(retrieval_run), *query]) == 0
    first = capsys.readouterr()
    assert "bad.jpg: not a readable image" in first.err and "1 unreadable image was left out" in first.err
    (index,) = (folder / ".frozenvl").iterdir()
    before = sorted(index.iterdir())
    assert main(["retrieve", str(retrieval_export), *query]) == 0
    second = capsys.readouterr()
    assert second.out == first.out and len(second.out.splitlines()) == 5
    assert sorted(index.iterdir()) == before and list((folder / ".frozenvl").iterdir()) == [index]
    with Image.open("g.png") as picture:
        assert len(picture.getcolors(1 << 20)) > 50


def test_texts_are_found_by_image(retrieval_run, folder, capsys):
    Path("t.txt").write_text("a red circle\na blue star\n\na red circle\nyes\n")
    assert main(["retrieve", str(retrieval_run), "--image", "photos/0.png", "--texts", "t.txt"]) == 0
    found = rows(capsys)
    texts = ["a red circle", "a blue star", "yes"]
    scores = expected(retrieval_run, texts, [folder / "0.png"])[:, 0]
    assert [row[2] for row in found] == [texts[place] for place in scores.argsort(descending=True)]


def test_a_file_of_embeddings_is_searched_and_one_of_another_model_refused(
    retrieval_run, folder, frozenvl, capsys
):
    run = str(retrieval_run)
    assert main(["embed", run, "images", "photos", "--out", "x.npz"]) == 0
    capsys.readouterr()
    assert main(["retrieve", run, "a star", "--images", "photos"]) == 0
    direct = rows(capsys)
    assert main(["retrieve", run, "a star", "--index", "x.npz", "--gallery", "g.png"]) == 0
    assert rows(capsys) == direct and Path("g.png").is_file()
    earlier = str(retrieval_run / "checkpoints" / "step=2.ckpt")
    assert main(["retrieve", earlier, "a star", "--index", "x.npz"]) == 0  # the same weights
    assert rows(capsys) == direct
    other = train_other(frozenvl)
    assert main(["retrieve", other, "a star", "--index", "x.npz"]) == 2
    assert "x.npz: made by another model or head (" in one_line(capsys.readouterr().err)
    assert main(["retrieve", other, "a star", "--images", "photos"]) == 0
    assert len(list((folder / ".frozenvl").iterdir())) == 2


def train_other(frozenvl) -> str:
    head = '{"retrieval": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 4}}}'
    objectives = '{"contrastive": {"class_path": "frozenvl.objectives.Contrastive"}}'
    short = ("--trainer.max_steps", 1, "--trainer.val_check_interval", 1, "--trainer.limit_val_batches", 0)
    assert frozenvl("fit", "--model.heads", head, "--model.objectives", objectives, *short, name="other") == 0
    return "runs/other"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--images", "photos"], "search by one text or one image"),
        (["a dog", "--image", "photos/0.png", "--images", "photos"], "search by one text or one image"),
        ([" ", "--images", "photos"], "the text to search by is empty"),
        (["a dog"], "name one collection to search: --images FOLDER, --texts FILE or --index FILE"),
        (["a dog", "--images", "photos", "--texts", "t.txt"], "name one collection to search"),
        (["a dog", "--images", "empty"], "empty: a folder without images"),
        (["a dog", "--images", "nowhere"], "nowhere: not a folder; --images takes the folder"),
        (
            ["--image", "photos/0.png", "--texts", "empty.txt"],
            "empty.txt: holds no text; write one in each line",
        ),
        (["--image", "empty.txt", "--images", "photos"], "empty.txt: not a readable image (it is empty)"),
        (["a dog", "--texts", "t.txt", "--gallery", "g.png"], "--gallery draws images that were found"),
        (["a dog", "--index", "t.txt"], "t.txt: not a file of embeddings (.npz or .parquet)"),
        (["a dog", "--images", "photos", "--top", "0"], "argument --top: 0 is not a number of 1 or more"),
        (
            ["a dog", "--images", "photos", "--head", "x"],
            "the model has no embedding head 'x'; it has retrieval",
        ),
    ],
    ids=str,
)
def test_bad_options_are_one_error_line(retrieval_run, folder, options, said, capsys):
    Path("empty").mkdir()
    Path("empty.txt").touch()
    Path("t.txt").write_text("yes\n")
    assert main(["retrieve", str(retrieval_run), *options]) == 2
    assert said in one_line(capsys.readouterr().err)


def test_a_model_without_a_head_is_refused(tiny_run, folder, capsys):
    assert main(["retrieve", str(tiny_run), "a dog", "--images", "photos"]) == 2
    assert "has no embedding head; train one" in one_line(capsys.readouterr().err)
    assert not (folder / ".frozenvl").exists()


def test_a_video_searches_and_is_found_in_embeddings(retrieval_run, folder, capsys):
    Path("clip.mp4").write_bytes(clip_bytes(100, 6))
    run, two = str(retrieval_run), ["--frames", "2"]
    assert main(["retrieve", run, "--image", "clip.mp4", "--images", "photos", *two]) == 0
    found = rows(capsys)
    model, processor, _ = load_model(retrieval_run)
    files = [ImageFile(path) for path in sorted(folder.glob("*.png"))]
    clip = model.embed_images(processor, [Video("clip.mp4", Sampling(frames=2))])
    (cosines,) = (clip @ model.embed_images(processor, files).T).tolist()
    assert [float(row[1]) for row in found] == pytest.approx(sorted(cosines, reverse=True), abs=2e-4)
    assert main(["embed", run, "images", "photos", "clip.mp4", "--out", "x.npz", *two]) == 0
    asked = ["retrieve", run, "--image", "clip.mp4", "--index", "x.npz", "--top", "1", "--gallery", "g.png"]
    capsys.readouterr()
    assert main([*asked, *two]) == 0
    assert rows(capsys) == [["1", "1.0000", "clip.mp4"]] and Image.open("g.png").width > 0
