"""Features by name: which row is whose, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from frozenvl.model.vision import Precomputed
from frozenvl.prompt import BlackImage, ImageFile
from frozenvl.util.errors import UnreadableImage, UserError

NAMES = ["a/1.jpg", "b/1.jpg", "2.jpg", "000003", "black"]
ROWS = np.arange(5 * 2 * 3, dtype=np.float32).reshape(5, 2, 3)


@pytest.fixture
def write(tmp_path):
    """Writes an array and names; returns the encoder."""

    def made(rows=ROWS, names=NAMES, file="f.npy") -> Precomputed:
        path, listed = tmp_path / file, tmp_path / "names.txt"
        if path.suffix == ".npy":
            np.save(path, rows)
        else:
            save_file({"x": rows}, path)
        listed.write_text("".join(f"{name}\n" for name in names))
        return Precomputed(path, listed)

    return made


def read(encoder: Precomputed, *paths: str) -> torch.Tensor:
    return encoder.reader()([ImageFile(Path(path)) for path in paths])


@pytest.mark.parametrize(
    ("path", "row"), [("/data/a/1.jpg", 0), ("b/1.jpg", 1), ("/x/y/2.jpg", 2), ("/x/000003.png", 3)]
)
def test_an_image_is_found_by_as_much_of_its_path_as_is_named(write, path, row):
    encoder = write()
    assert (encoder.tokens, encoder.channels, encoder.trainable) == (2, 3, False)
    assert read(encoder, path, "2.jpg").equal(torch.from_numpy(ROWS[[row, 2]]))


def test_the_longest_part_of_a_path_decides(write):
    encoder = write(names=["1.jpg", "a/1.jpg", "1", "b", "black"])
    found = read(encoder, "/data/a/1.jpg", "/data/b/1.jpg", "/data/b/1.png")
    assert found.equal(torch.from_numpy(ROWS[[1, 0, 2]]))


def test_rows_come_in_the_order_asked_for_and_none_of_none(write):
    encoder = write()
    found = encoder.reader()([BlackImage(), ImageFile(Path("2.jpg")), BlackImage()])
    assert found.equal(torch.from_numpy(ROWS[[4, 2, 4]]))
    assert encoder.reader()([]).shape == (0, 2, 3)


def test_one_vector_an_image_in_any_file_and_precision(write):
    plain = torch.from_numpy(ROWS[:, 0].copy())
    for rows, file in ((ROWS[:, 0], "a.npy"), (plain, "b.safetensors"), (plain.bfloat16(), "c.safetensors")):
        encoder = write(rows, file=file)
        assert (encoder.tokens, encoder.channels) == (1, 3)
        assert read(encoder, "2.jpg").float().equal(plain[2].view(1, 1, 3))


def test_a_file_is_mapped_rather_than_read(write, tmp_path):
    """A hole of 40 GB, of which one row was written."""
    big = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.float32, (5, 2_000_000, 1_000))
    big[2, 0] = 7
    big.flush()
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    encoder = Precomputed(tmp_path / "big.npy", tmp_path / "names.txt")
    assert encoder.rows[2, 0].eq(7).all() and encoder.rows[2, 1].eq(0).all()


def test_an_image_without_features_is_unreadable(write):
    image = ImageFile(Path("/x/1.jpg"))  # which of the two?
    with pytest.raises(UnreadableImage, match=r"1\.jpg: .*f\.npy has no features .* no encoder") as error:
        write().reader()([ImageFile(Path("2.jpg")), image])
    assert error.value.image == image and "\n" not in str(error.value)


def test_black_without_a_row_is_no_unreadable_image(write):
    with pytest.raises(UserError, match="has no row named 'black'") as error:
        write(ROWS[:4], NAMES[:4]).reader()([BlackImage()])
    assert not isinstance(error.value, UnreadableImage)


def test_identity_follows_features_and_names(write):
    changed = ROWS.copy()
    changed[3, 0, 1] += 1
    same = {write().fingerprint, write(file="copy.npy").fingerprint}
    others = {
        write(changed).fingerprint,
        write(names=[*NAMES[:4], "x"]).fingerprint,
        write(ROWS[..., :2]).fingerprint,
    }
    assert len(same) == 1 and len(same | others) == 4


@pytest.mark.parametrize(
    ("rows", "names", "file", "said"),
    [
        (ROWS, NAMES[:4], "f.npy", "4 names for 5 rows"),
        (ROWS, [*NAMES[:4], "2.jpg"], "f.npy", "'2.jpg' stands there twice"),
        (ROWS.astype(np.int64), NAMES, "f.npy", "torch.int64 of 5 × 2 × 3; it takes floating-point"),
        (ROWS[0, 0], NAMES[:3], "f.npy", "float32 of 3; it takes"),
        (np.array(["x"] * 5, dtype=object), NAMES, "f.npy", "not one array"),
    ],
)
def test_what_does_not_belong_together_is_refused_in_a_line(write, rows, names, file, said):
    with pytest.raises(UserError) as error:
        write(rows, names, file)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("f.npy", None, "cannot be read"),
        ("f.npy", b"hello", "not one array"),
        ("f.npy", b"", "not one array"),
        ("f.safetensors", b"hello there", "not one array"),
        ("f.pt", b"", "are read from .npy and .safetensors"),
    ],
)
def test_files_that_are_none_are_refused_in_a_line(tmp_path, file, content, said):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        Precomputed(tmp_path / file, tmp_path / "names.txt")
    assert "\n" not in str(error.value)


def test_names_that_are_none(write, tmp_path):
    np.save(tmp_path / "f.npy", ROWS)
    with pytest.raises(UserError, match=r"names\.txt: cannot be read"):
        Precomputed(tmp_path / "f.npy", tmp_path / "names.txt")


def test_several_tensors_are_not_one(tmp_path):
    save_file({"x": torch.zeros(1, 1), "y": torch.zeros(1, 1)}, tmp_path / "f.safetensors")
    with pytest.raises(UserError, match="not one array"):
        Precomputed(tmp_path / "f.safetensors", tmp_path / "names.txt")
