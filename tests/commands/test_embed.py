"""`frozenvl embed`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import clip_bytes
from running import one_line

from frozenvl.cli import main
from frozenvl.prompt import ImageFile
from frozenvl.retrieval.embedder import Embedder
from frozenvl.retrieval.load import load_model
from frozenvl.video import Sampling, Video


def test_readable_images_are_embedded_and_the_others_listed(retrieval_run, pictures, capsys):
    Path("deep/er").mkdir(parents=True)
    Path("1.png").rename("deep/er/1.png")
    Path("deep/bad.png").write_bytes(Path("2.png").read_bytes()[:40])
    asked = ["images", "deep", "0.png", "--out", "new/x.npz", "--batch_size", "2"]
    assert main(["embed", str(retrieval_run), *asked]) == 0
    printed = capsys.readouterr()
    assert "deep/bad.png: not a readable image" in printed.err and "embedding: 3/3 images" in printed.err
    model, processor, _ = load_model(retrieval_run)
    with np.load("new/x.npz") as file:
        assert file["names"].tolist() == ["deep/er/1.png", "0.png"]
        assert str(file["model"]) == Embedder(model, processor).fingerprint
        vectors = file["vectors"]
    assert (
        printed.out
        == f"new/x.npz: 2 images, 8 numbers each, model {Embedder(model, processor).fingerprint}\n"
    )
    images = [ImageFile(Path(name)) for name in ("deep/er/1.png", "0.png")]
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, model.embed_images(processor, images).numpy(), atol=1e-5)


@pytest.mark.parametrize("out", ["x.npz", "x.parquet"])
def test_texts_of_a_file_or_of_standard_input_are_embedded(
    retrieval_run, retrieval_export, tmp_path, monkeypatch, capsys, out
):
    monkeypatch.chdir(tmp_path)
    texts = ["a red circle", "ein großer Hund", "a red circle"]
    content = "\n\n".join(texts) + "\n"
    Path("t.txt").write_text(content, encoding="utf-8")
    assert main(["embed", str(retrieval_run), "texts", "t.txt", "--out", out]) == 0
    assert "t.txt: 2 empty lines left out" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert main(["embed", str(retrieval_export), "texts", "-", "--out", f"stdin-{out}"]) == 0
    from frozenvl.retrieval.embedding_files import read_embeddings

    files = [read_embeddings(Path(name)) for name in (out, f"stdin-{out}")]
    model, processor, _ = load_model(retrieval_run)
    for file in files:
        assert file.items == texts and file.kind == "texts" and file.model == files[0].model
        assert np.allclose(file.vectors, model.embed_texts(processor, texts).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["images", "0.png", "--out", "x.txt"], "x.txt: embeddings are written as .npz or .parquet"),
        (["images", "0.png", "--out", "folder.npz"], "folder.npz: a folder; name a file"),
        (["images", "nowhere", "--out", "x.npz"], "nowhere: no such image or folder; check the path"),
        (["images", "folder.npz", "--out", "x.npz"], "folder.npz: a folder without images"),
        (["images", "empty.txt", "--out", "x.npz"], "none of the images is readable; check the paths"),
        (["texts", "empty.txt", "--out", "x.npz"], "empty.txt: holds no text; write one in each line"),
        (["videos", "0.png", "--out", "x.npz"], "invalid choice: 'videos'"),
    ],
    ids=str,
)
def test_bad_input_is_one_error_line(retrieval_run, pictures, asked, said, capsys):
    Path("folder.npz").mkdir()
    Path("empty.txt").touch()
    assert main(["embed", str(retrieval_run), *asked]) == 2
    assert said in one_line(capsys.readouterr().err)
    assert not Path("x.npz").exists()


def test_videos_are_embedded_among_images(retrieval_run, pictures):
    Path("both").mkdir()
    Path("both/clip.mp4").write_bytes(clip_bytes(100, 6))
    Path("0.png").rename("both/image.png")
    assert main(["embed", str(retrieval_run), "images", "both", "--out", "x.npz", "--frames", "4"]) == 0
    model, processor, _ = load_model(retrieval_run)
    inputs = [Video("both/clip.mp4", Sampling(frames=4)), ImageFile(Path("both/image.png"))]
    with np.load("x.npz") as file:
        assert file["names"].tolist() == ["both/clip.mp4", "both/image.png"]
        assert np.allclose(file["vectors"], model.embed_images(processor, inputs).numpy(), atol=1e-5)
