"""Episodes drawn from a folder of labelled images."""

from __future__ import annotations

import PIL.Image
import pytest
from few_shot import NAMING

from frozenvl.data.sources.labelled import LabelledEpisodes, LabelledImages
from frozenvl.util.errors import UserError


@pytest.fixture
def animals(tmp_path):
    for label, count in {"cat": 4, "dog": 5, "electric_ray": 3, "lonely": 1}.items():
        (tmp_path / label).mkdir()
        for number in range(count):
            PIL.Image.new("RGB", (9, 9)).save(tmp_path / label / f"{number}.png")
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "without a label.png")
    return str(tmp_path)


@pytest.mark.parametrize("names", ["new", "real"])
def test_episodes_bind_each_name_to_one_class(animals, names):
    episodes = LabelledEpisodes(animals, size=50, ways=3, inner_shots=2, names=names)
    assert len(episodes) == 50
    seen, mixed = set(), []
    for episode in (episodes[index] for index in range(50)):
        kinds: dict[str, set[str]] = {}
        for image, caption in episode.support:
            kinds.setdefault(caption.removeprefix("This is a "), set()).add(image.path.parent.name)
        assert set(kinds) == set(episode.choices) and all(len(kind) == 1 for kind in kinds.values())
        assert len(episode.support) == 6 and kinds[episode.answer] == {episode.query.path.parent.name}
        images = [image for image, _ in episode.support] + [episode.query]
        assert len({image.key for image in images}) == 7
        if names == "real":
            assert set(episode.choices) == {"cat", "dog", "electric ray"}
        seen.add((episode.answer, episode.query.key))
        order = [caption for _, caption in episode.support]
        mixed.append(order[0] != order[1] and episode.choices[0] not in order[0])
    assert len(seen) > 9
    assert any(mixed)  # ordered neither by class nor by name


def test_the_same_seed_draws_the_same_episodes(animals):
    one, same, other = (LabelledEpisodes(animals, size=9, seed=seed) for seed in (0, 0, 1))
    assert [one[i] for i in range(9)] == [same[i] for i in range(9)] != [other[i] for i in range(9)]
    assert one[4] == LabelledEpisodes(animals, size=5)[4]
    with pytest.raises(IndexError):
        one[9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ways": 4}, "3 of its subfolders hold 2 images or more, and 4 are needed"),
        ({"ways": 3, "inner_shots": 3}, "2 of its subfolders hold 4 images or more, and 3 are needed"),
        ({"ways": 1}, "ways at 2"),
        ({"size": 0}, "start at 1"),
    ],
)
def test_impossible_episodes_are_refused(animals, options, message):
    with pytest.raises(UserError, match=message):
        LabelledEpisodes(animals, **options)


def test_the_answer_to_a_labelled_image_is_its_folder(tmp_path):
    for label, count in {"cat": 2, "electric_ray": 3, "lonely": 1}.items():
        (tmp_path / label).mkdir()
        for number in range(count):
            PIL.Image.new("RGB", (9, 9)).save(tmp_path / label / f"{number}.png")
    for name in ("without a label.png", "without one, too.png"):
        PIL.Image.new("RGB", (9, 9)).save(tmp_path / name)
    source = LabelledImages(str(tmp_path))
    assert [source[i].answer for i in range(len(source))] == ["cat"] * 2 + ["electric ray"] * 3
    assert source.pairs == 5 and source.image_ids() == [source[i].image_id for i in range(5)]
    assert NAMING.sample(source[4]).target == " electric ray" and source[4].image.name == "2.png"
    assert len(LabelledImages(str(tmp_path), at_least=3)) == 3
    with pytest.raises(UserError, match="none of its subfolders holds 4 images"):
        LabelledImages(str(tmp_path), at_least=4)
