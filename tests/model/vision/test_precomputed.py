"""Precomputed features: finding rows by image name, and refusals."""

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
    """Function that writes an array and names and returns the encoder."""

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
def test_an_image_is_found_by_the_named_part_of_its_path(write, path, row):
    encoder = write()
    assert (encoder.tokens, encoder.channels, encoder.trainable) == (2, 3, False)
    assert read(encoder, path, "2.jpg").equal(torch.from_numpy(ROWS[[row, 2]]))


def test_the_longest_matching_part_of_a_path_decides(write):
    encoder = write(names=["1.jpg", "a/1.jpg", "1", "b", "black"])
    found = read(encoder, "/data/a/1.jpg", "/data/b/1.jpg", "/data/b/1.png")
    assert found.equal(torch.from_numpy(ROWS[[1, 0, 2]]))


def test_rows_are_in_the_order_of_the_images(write):
    encoder = write()
    found = encoder.reader()([BlackImage(), ImageFile(Path("2.jpg")), BlackImage()])
    assert found.equal(torch.from_numpy(ROWS[[4, 2, 4]]))
    assert encoder.reader()([]).shape == (0, 2, 3)


def test_one_vector_per_image_in_any_file_format_and_precision(write):
    plain = torch.from_numpy(ROWS[:, 0].copy())
    for rows, file in ((ROWS[:, 0], "a.npy"), (plain, "b.safetensors"), (plain.bfloat16(), "c.safetensors")):
        encoder = write(rows, file=file)
        assert (encoder.tokens, encoder.channels) == (1, 3)
        assert read(encoder, "2.jpg").float().equal(plain[2].view(1, 1, 3))


def test_a_file_is_memory_mapped(write, tmp_path):
    """Uses a sparse file of 40 GB in which one row was written."""
    big = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.float32, (5, 2_000_000, 1_000))
    big[2, 0] = 7
    big.flush()
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    encoder = Precomputed(tmp_path / "big.npy", tmp_path / "names.txt")
    assert encoder.rows[2, 0].eq(7).all() and encoder.rows[2, 1].eq(0).all()


def test_an_image_without_features_is_unreadable(write):
    image = ImageFile(Path("/x/1.jpg"))  # two names match
    with pytest.raises(UnreadableImage, match=r"1\.jpg: .*f\.npy has no features .* no encoder") as error:
        write().reader()([ImageFile(Path("2.jpg")), image])
    assert error.value.image == image and "\n" not in str(error.value)


def test_missing_features_of_black_are_a_user_error(write):
    with pytest.raises(UserError, match="has no row named 'black'") as error:
        write(ROWS[:4], NAMES[:4]).reader()([BlackImage()])
    assert not isinstance(error.value, UnreadableImage)


def test_the_fingerprint_depends_on_features_and_names(write):
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
    ("rows", "names", "file", "message"),
    [
        (ROWS, NAMES[:4], "f.npy", "4 names for 5 rows"),
        (ROWS, [*NAMES[:4], "2.jpg"], "f.npy", "'2.jpg' stands there twice"),
        (ROWS.astype(np.int64), NAMES, "f.npy", "torch.int64 of 5 × 2 × 3; it takes floating-point"),
        (ROWS[0, 0], NAMES[:3], "f.npy", "float32 of 3; it takes"),
        (np.array(["x"] * 5, dtype=object), NAMES, "f.npy", "not one array"),
    ],
)
def test_features_and_names_that_do_not_match_are_one_error_line(write, rows, names, file, message):
    with pytest.raises(UserError) as error:
        write(rows, names, file)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("f.npy", None, "cannot be read"),
        ("f.npy", b"hello", "not one array"),
        ("f.npy", b"", "not one array"),
        ("f.safetensors", b"hello there", "not one array"),
        ("f.pt", b"", "are read from .npy and .safetensors"),
    ],
)
def test_unreadable_feature_files_are_one_error_line(tmp_path, file, content, message):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        Precomputed(tmp_path / file, tmp_path / "names.txt")
    assert "\n" not in str(error.value)


def test_a_missing_file_of_names_is_refused(write, tmp_path):
    np.save(tmp_path / "f.npy", ROWS)
    with pytest.raises(UserError, match=r"names\.txt: cannot be read"):
        Precomputed(tmp_path / "f.npy", tmp_path / "names.txt")


def test_a_file_with_several_tensors_is_refused(tmp_path):
    save_file({"x": torch.zeros(1, 1), "y": torch.zeros(1, 1)}, tmp_path / "f.safetensors")
    with pytest.raises(UserError, match="not one array"):
        Precomputed(tmp_path / "f.safetensors", tmp_path / "names.txt")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_features_that_are_no_numbers_make_an_image_unreadable(write, value, dtype):
    rows = ROWS.astype(dtype)
    rows[2, 1, 0] = value
    encoder, image = write(rows), ImageFile(Path("2.jpg"))
    with pytest.raises(
        UnreadableImage, match=r"^2\.jpg: its features are no finite numbers .*f\.npy"
    ) as error:
        encoder.reader()([BlackImage(), image])
    assert error.value.image == image
    assert encoder.reader()([BlackImage()]).equal(torch.from_numpy(rows[[4]])), "others are given"


def test_features_beyond_fp32_are_infinite_for_the_mapper(write):
    rows = ROWS.astype(np.float64)
    rows[2, 1, 0] = 1e300
    with pytest.raises(UnreadableImage, match=r"^2\.jpg: its features are no finite numbers"):
        read(write(rows), "2.jpg")
