"""Frozen's published benchmarks."""

from __future__ import annotations

import json

import pytest

from frozenvl.data.sources.frozen_bench import FrozenBenchmark
from frozenvl.util.errors import UserError

EPISODE = {
    "question_id": "0001",
    "question": "This is a",
    "question_image": "q.jpg",
    "answer": "dax",
    "caption_1": "This is a dax",
    "image_1": "x/1.jpg",
    "caption_2": "This is an electric ray.",
    "image_2": "2.jpg",
}


def read(folder, episodes) -> FrozenBenchmark:
    (folder / "images").mkdir(exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(episodes))
    return FrozenBenchmark(str(folder / "bench.json"), str(folder / "images"))


def test_an_episode_is_read_unchanged(tmp_path):
    (episode,) = read(tmp_path, [EPISODE])
    assert [
        (image.path.relative_to(tmp_path / "images").as_posix(), text) for image, text in episode.support
    ] == [
        ("x/1.jpg", "This is a dax"),
        ("2.jpg", "This is an electric ray."),
    ]
    assert (episode.id, episode.question, episode.answer) == ("0001", "This is a", "dax")
    assert episode.query.name == "q.jpg" and episode.choices == ("dax", "electric ray")


def test_more_than_nine_images_keep_their_order(tmp_path):
    names = [(f"image_{n}", f"{n}.jpg") for n in range(12, 0, -1)]
    captions = [(f"caption_{n}", f"This is a {'dax' if n % 2 else 'wug'}") for n in range(12, 0, -1)]
    (episode,) = read(tmp_path, [EPISODE | dict(names) | dict(captions)])
    assert [image.name for image, _ in episode.support] == [f"{n}.jpg" for n in range(1, 13)]
    assert episode.choices == ("dax", "wug")


@pytest.mark.parametrize("change", [{"answer": "Black."}, {"caption_2": "Two wugs"}])
def test_an_episode_has_no_choices_if_its_answer_is_no_name_of_the_support(tmp_path, change):
    assert read(tmp_path, [EPISODE | change])[0].choices == ()


def test_episodes_without_ids_are_counted(tmp_path):
    bare = {key: text for key, text in EPISODE.items() if key != "question_id"}
    assert [episode.id for episode in read(tmp_path, [bare, bare])] == ["1", "2"]


@pytest.mark.parametrize("key", [key for key in EPISODE if key != "question_id"])
def test_a_missing_key_is_named_with_its_episode(tmp_path, key):
    bad = {name: text for name, text in EPISODE.items() if name != key} | {"question_id": "7"}
    with pytest.raises(UserError, match=rf"bench.json: record \[1\] .question_id 7.: has no '{key}'"):
        read(tmp_path, [EPISODE, bad])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "lists no episodes"),
        ({"a": 1}, "not one of Frozen's benchmarks"),
        (["a"], r"record \[0\] is a text .'a'., not an object"),
        ([EPISODE, EPISODE], "episode 0001 stands twice"),
    ],
)
def test_a_bad_file_is_one_error_line(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize("missing", ["bench.json", "images"])
def test_a_missing_file_or_folder_is_named(tmp_path, missing):
    read(tmp_path, [EPISODE])
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{missing}: no such "):
        FrozenBenchmark(str(tmp_path / "bench.json"), str(tmp_path / "images"))


@pytest.mark.data
def test_the_published_benchmarks_are_read(data):
    mini = data / "frozen_bench/mini"
    for kind in ("open_ended", "real_name"):
        for shots, ways in ((1, 2), (3, 2), (5, 2), (1, 5)):
            name = f"{kind}_mi_shots_{shots}_ways_{ways}_all_questions.json"
            episodes = FrozenBenchmark(str(mini / name), str(mini / "images"))
            assert len(episodes) == 250
            for episode in episodes:
                assert len(episode.support) == shots * ways and len(episode.choices) == ways
                assert episode.query.path.is_file() and episode.answer in episode.choices

    official = data / "frozen_bench/official"
    images = str(official / "demo_images")
    whole = FrozenBenchmark(str(official / "open_ended_mi_shots_1_ways_2_all_questions.json"), images)
    assert len(whole) == 2500 and all(set(e.choices) == {"dax", "blicket"} for e in whole)
    guided = FrozenBenchmark(str(official / "guided_vqa_two_demo_questions.json"), images)
    assert [(e.answer, e.choices) for e in guided] == [("That is a blue coat.", ()), ("Black.", ())]
    assert all(image.path.is_file() for e in guided for image in (e.query, *(i for i, _ in e.support)))
