"""`Embedder`: order, batches, unreadable images, fingerprints."""

from __future__ import annotations

import numpy as np
import pytest
from clips import write_clip, write_sound
from retrieval_models import retrieval_model

from frozenvl.prompt import ImageFile
from frozenvl.retrieval.embedder import Embedder
from frozenvl.retrieval.image_files import image_files
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.video import Sampling, Video


@pytest.fixture
def retrieval(tiny_language, tiny_vision):
    return retrieval_model(tiny_language, tiny_vision).eval()


def test_images_come_in_order_whatever_the_batch_and_unreadable_ones_have_a_reason(folder, colours):
    (folder / "bb.png").write_bytes((folder / "b.png").read_bytes()[:30])
    images = [ImageFile(path) for path in image_files([folder])]
    results = [list(Embedder(colours(), batch_size=size).images(images)) for size in (1, 2, 64)]
    for embedded in results:
        assert [one.image for one in embedded] == images
        assert [one.vector is None for one in embedded] == [False, False, True, False, False]
        assert "bb.png: not a readable image" in embedded[2].reason and not embedded[0].reason
        vectors = [[one.vector for one in embedded if one.vector is not None] for embedded in results]
    assert all(np.array_equal(vectors[0], other) for other in vectors)
    assert vectors[0][0].argmax() == 0 and vectors[0][1].argmax() == 1


def test_an_image_whose_features_are_not_finite_is_left_out_alone(folder, colours):
    embedder = Embedder(colours())
    embedder.processor.reader.not_finite = {"b.png"}
    embedded = list(embedder.images([ImageFile(path) for path in image_files([folder])]))
    assert [one.image.name for one in embedded if one.vector is None] == ["b.png"]
    assert "b.png: its features are no finite numbers" in embedded[1].reason
    with pytest.raises(UnreadableImage, match=r"b.png: its features are no finite numbers"):
        embedder.image(ImageFile(folder / "b.png"))


def test_skipped_images_are_not_read(folder, colours):
    model = colours()
    (folder / "a.png").unlink()
    images = [ImageFile(folder / name) for name in ("a.png", "b.png")]
    embedded = list(Embedder(model).images(images, skip=lambda image: image.name == "a.png"))
    assert [(one.vector is None, one.reason) for one in embedded] == [(True, ""), (False, "")]


def test_texts_are_embedded(colours):
    vectors = Embedder(colours(), batch_size=2).texts(["red", "a green car", "blue"])
    assert vectors.tolist() == np.eye(3).tolist() and vectors.dtype == np.float32


def test_a_fingerprint_is_of_weights_head_and_precision(colours):
    fingerprint = Embedder(colours()).fingerprint
    assert Embedder(colours()).fingerprint == fingerprint and len(fingerprint) == 32
    moved = colours()
    moved.identity = lambda: {"language": "elsewhere", "k": 1}
    assert Embedder(moved).fingerprint == fingerprint
    low = colours()
    low.low_precision = True
    others = [Embedder(colours(2.0)), Embedder(colours(heads=("a", "b")), head="b"), Embedder(low)]
    assert len({fingerprint, *(other.fingerprint for other in others)}) == 4


def test_a_head_must_be_named_if_there_are_several(colours):
    with pytest.raises(UserError, match="no head"):
        Embedder(colours(heads=("a", "b")))
    assert Embedder(colours(heads=("a", "b")), head="b").head == "b"


def test_an_embedding_that_is_not_finite_is_left_out_alone(folder, colours, monkeypatch):
    model = colours()
    plain = model.embed_images

    def overflowing(processor, images, *options):
        vectors = plain(processor, images, *options)
        vectors[1] = float("inf")
        return vectors

    monkeypatch.setattr(model, "embed_images", overflowing)
    embedded = list(Embedder(model).images([ImageFile(path) for path in image_files([folder])]))
    assert [one.reason != "" for one in embedded] == [False, True, False, False]
    assert "b.png" in embedded[1].reason


def test_a_video_has_one_embedding_and_one_reason(retrieval, tmp_path):
    """It is that of the model, in any batch; a clip that cannot be opened is left out alone."""
    video = Video(write_clip(tmp_path / "a.mp4", 12), Sampling(frames=3))
    sound, photo = Video(write_sound(tmp_path / "b.m4a")), video.frames[1]
    embedded = list(Embedder(retrieval).images([photo, video, sound]))
    expected = retrieval.embed_images(retrieval.processor(), [video, photo]).numpy()
    assert np.allclose(embedded[1].vector, expected[0], atol=1e-5)
    assert np.allclose(embedded[0].vector, expected[1], atol=1e-5)
    assert embedded[2].vector is None and "it has no video, only audio" in embedded[2].reason
