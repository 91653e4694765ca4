"""Galleries: the answers of a run that a page shows, with prompts and images."""

from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image
from trees import shown, write_naming, write_shown, write_thumbnail, write_vqa

from frozenvl.report.answers import EACH, FREQUENT, Picture, gallery_of, picture
from frozenvl.report.load import read_runs
from frozenvl.util.errors import UserError


def test_gallery_shows_right_and_wrong_answers_of_the_largest_setting(tmp_path):
    run = tmp_path / "a"
    for ways, inner_shots in ((2, 5), (5, 3), (5, 1)):
        folder = write_naming(run, ways, inner_shots, 40.0)
        if (ways, inner_shots) == (5, 3):
            write_thumbnail(folder)
            rows = [shown(n, float(n % 2), "dax") for n in range(12)]
            write_shown(folder, rows)
            said = ["dax"] * 3 + ["perpo"] * 2 + ["a cat"]
            (folder / "predictions.jsonl").write_text(
                "".join(json.dumps({"text": text}) + "\n" for text in said)
            )
        else:
            write_shown(folder, [])
    write_naming(run, 5, 5, 40.0)  # without pictures
    gallery = gallery_of(read_runs([run])[0], "open_ended")
    assert gallery.detail == "5-way, induction, 3 inner-shots, 0 repeats, seeing"
    assert [answer["right"] for answer in gallery.answers] == [1.0] * EACH + [0.0] * EACH
    assert gallery.most_said == [("dax", 0.5), ("perpo", pytest.approx(1 / 3))]


def test_the_seeing_view_is_shown_before_longer_prompts(tmp_path):
    for shots, view in ((0, "seeing"), (4, "text-only")):
        folder = write_vqa(tmp_path / "a", shots, 30.0, view=view)
        write_shown(folder, [shown(1, 1.0, view)])
    assert gallery_of(read_runs([tmp_path / "a"])[0], "vqa_v2").answers[0]["text"] == "seeing"


@pytest.mark.parametrize("content", ["{", "[3]", '[{"id": 1}]', '[{"id": 1, "prompt": [{}], "text": ""}]'])
def test_a_damaged_file_of_answers_is_one_error_line(tmp_path, content):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    (folder / "shown.json").write_text(content)
    with pytest.raises(UserError, match=r"shown.json: not ") as error:
        gallery_of(read_runs([tmp_path / "a"])[0], "vqa_v2")
    assert "\n" not in str(error.value)


def test_a_run_without_answers_has_no_gallery(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0)
    assert gallery_of(read_runs([tmp_path / "a"])[0], "vqa_v2") is None


def only_answer(folder, row: dict, record: dict | None = None):
    """Writes a row of shown.json and its prediction; returns the only answer of the gallery."""
    write_shown(folder, [row])
    if record:
        (folder / "predictions.jsonl").write_text(json.dumps(record) + "\n")
    (answer,) = gallery_of(read_runs([folder.parents[1]])[0], "vqa_v2").answers
    return answer


def test_a_prompt_is_cut_into_images_each_with_the_text_up_to_the_next(tmp_path):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    write_thumbnail(folder)
    row = shown(1, 1.0, "cat", shots=2)
    parts = [{"text": "Please "}, {"text": "answer.\n"}, *row["prompt"]]
    answer = only_answer(folder, row | {"prompt": parts})
    demonstration = "Question: how many dogs are there? Answer: {}\n"
    assert [text for _, text in answer["turns"]] == [
        "Please answer.\n",
        demonstration.format(1),
        demonstration.format(2),
        "Question: what animal is it? Answer:",
    ]
    assert [image is None for image, _ in answer["turns"]] == [True, False, False, False]
    assert answer["references"] == [("cat", 9), ("kitten", 1)]


def test_half_right_counts_as_right_and_unscored_answers_come_last(tmp_path):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    write_shown(folder, [shown(n, right, "x") for n, right in enumerate((None, 0.49, 0.5, 1.0))])
    gallery = gallery_of(read_runs([tmp_path / "a"])[0], "vqa_v2")
    assert [answer["right"] for answer in gallery.answers] == [0.5, 1.0, 0.49, None]


def test_candidates_come_from_the_prediction_likeliest_first(tmp_path):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    record = {"id": "q/1", "text": "b", "candidates": [" a", " b", " c"], "values": [-3.0, -1.5, -9.0]}
    answer = only_answer(folder, shown(1, 1.0, "b"), record)
    assert answer["candidates"] == [("b", -1.5), ("a", -3.0), ("c", -9.0)]


def test_answers_given_once_are_not_among_the_most_frequent(tmp_path):
    folder = write_vqa(tmp_path / "a", 1, 30.0)
    write_shown(folder, [])
    said = ["once", *(text for text in "abcdefg" for _ in range(2)), "a"]
    (folder / "predictions.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in said))
    most_said = gallery_of(read_runs([tmp_path / "a"])[0], "vqa_v2").most_said
    assert most_said[0] == ("a", pytest.approx(3 / 16))
    assert [text for text, _ in most_said] == list("abcde") and len(most_said) == FREQUENT


def test_an_image_is_encoded_again_without_hidden_data(tmp_path):
    file = tmp_path / "curve.png"
    Image.new("RGB", (30, 20), "red").save(file)
    file.write_bytes(file.read_bytes() + b"secret")
    made = picture(tmp_path, file.name)
    kind, content = made.uri.split(",")
    whole = base64.b64decode(content)
    assert (kind, made.name, made.size) == ("data:image/png;base64", "curve.png", (30, 20))
    assert b"secret" not in whole
    with Image.open(io.BytesIO(whole)) as opened:
        assert opened.convert("RGB").getpixel((9, 9)) == (255, 0, 0)
    assert picture(tmp_path, "nowhere.png") == Picture("", "nowhere.png")


def test_an_image_outside_the_evaluation_folder_is_not_shown(tmp_path):
    folder = write_vqa(tmp_path / "a", 0, 30.0)
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.jpg")
    outside = "../../../secret.jpg"
    assert (folder / outside).is_file()
    ((image, _),) = only_answer(folder, shown(1, 1.0, "cat", shots=0, image=outside))["turns"]
    assert image == Picture("", outside)
