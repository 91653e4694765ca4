"""Features of all benchmarks of episodes: settings, and the support set before the query."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from toy import TWO, Square, episode, first_prompts

from frozenvl.evaluation import EpisodeVQA, Naming
from frozenvl.evaluation.benchmarks.episodes import Episodes, names_of, ways_and_shots
from frozenvl.prompt import Episode
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


@pytest.mark.parametrize("repeats", [0, 1, 3])
def test_the_support_set_is_shown_once_plus_repeats_times(repeats):
    """The whole support set is repeated, in its order."""
    (prompt,) = first_prompts(Naming(TWO, repeats=[repeats], induction=[""])).values()
    support = "<a.png>This is a dax\n<b.png>This is a blicket\n"
    assert prompt == support * (1 + repeats) + "<q.png>This is a"


def test_several_induction_texts_have_different_names():
    names = [setting.name for setting in Naming(TWO, induction=["", "One.\n", "Two.\n"]).settings()]
    assert names == ["2way", "2way-induced1", "2way-induced2"]


def test_choosing_from_a_support_set_without_names_is_refused():
    nameless = Episode("7", ((Square("a.png"), "Look!"),), Square("q.png"), "This is a", "dax", ())
    for options in ({"choose": "sum", "induction": [""]}, {"induction": ["Answer with {names}.\n"]}):
        naming = Naming({"x": [nameless]}, **options)
        with pytest.raises(UserError, match=r"episode 7: its captions do not name things") as error:
            naming.queries(naming.settings()[0])[0]
        assert "\n" not in str(error.value)


def test_a_chat_template_is_refused():
    """It would stand between the support set and the query."""
    with pytest.raises(UserError, match=r"Naming: a support set is captions.*leave template\.chat out"):
        Naming(TWO, template=Template(query="{image}{question}", chat=True))


@pytest.mark.parametrize("options", [{"repeats": []}, {"repeats": [-1]}, {"induction": []}])
def test_a_benchmark_without_settings_is_refused(options):
    with pytest.raises(UserError, match="each need at least one value"):
        Naming(TWO, **options)


def test_any_class_with_len_and_getitem_is_a_set_of_episodes():
    class Own:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Episode:
            return episode("dax")

    assert isinstance(Own(), Episodes) and isinstance(TWO["2way"], Episodes)
    # A mapping is a class path with arguments, from which a set is built.
    assert not issubclass(dict, Episodes) and not issubclass(Mapping, Episodes)
    assert not issubclass(set, Episodes)


@pytest.mark.parametrize(
    ("names", "ways", "shots"),
    [
        ((), 1, 0),
        (("dax",), 1, 1),
        (("dax", "fep"), 2, 1),
        (("dax", "fep", "fep", "dax"), 2, 2),
        (("dax",) * 3, 1, 3),
    ],
)
def test_ways_count_names_and_shots_count_images_per_name(names, ways, shots):
    assert ways_and_shots(episode(*names)) == (ways, shots)


def test_repeats_are_a_setting_only_for_sets_with_support():
    """Each set with a support set has one setting more; induction texts are named and recorded."""
    bare = Episode("2", (), Square("q.png"), "What is it?", "a lamp", ())
    vqa = EpisodeVQA(
        {"few": [episode("dax", "fep")], "none": [bare]}, repeats=[0, 2], induction=["", "Look!\n"]
    )
    settings = {setting.name: setting.facts for setting in vqa.settings()}
    assert list(settings) == [
        "few", "few-repeats2", "few-induced", "few-induced-repeats2", "none", "none-induced",
    ]  # fmt: skip
    assert settings["few-induced-repeats2"] == {
        "ways": 2, "inner_shots": 1, "repeats": 2, "induction": True, "episodes": "few",
        "induction_text": "Look!\n",
    }  # fmt: skip
    assert settings["none"] == {
        "ways": 1, "inner_shots": 0, "repeats": 0, "induction": False, "episodes": "none",
    }  # fmt: skip


def test_an_induction_text_lists_the_names_of_the_support_set():
    naming = Naming(TWO, induction=["Answer with {names}.\n", "Answer.\n"])
    assert [prompt.split("\n")[0] for prompt in first_prompts(naming).values()] == [
        "Answer with dax or blicket.",
        "Answer.",
    ]
    assert names_of(episode("dax", "fep", "dax")) == ("dax", "fep")


def test_a_set_of_different_episodes_is_refused_and_the_first_is_named():
    uneven = [
        episode("dax", "fep"),
        episode("dax", "fep", key="2"),
        episode("dax", "dax", "fep", "fep", key="3"),
    ]
    naming = Naming({"2way": uneven[:2], "mixed": uneven})
    with pytest.raises(UserError) as error:
        naming.prepare(progress=False)
    reason = "episode 3 has 2 ways and 2 shots, the first 2 and 1; keep each kind in a set of its own"
    assert str(error.value) == f"naming: mixed: {reason}"


def test_an_empty_set_is_refused():
    for kind in (Naming, EpisodeVQA):
        with pytest.raises(UserError, match=f"^{kind.__name__}: y holds no episodes; give it a source"):
            kind(TWO | {"y": []})


def test_a_set_of_something_else_is_refused():
    with pytest.raises(UserError, match=r"Naming: x: list gives no episodes; LabelledEpisodes draws some"):
        Naming({"x": ["an image"]})
    with pytest.raises(
        UserError, match=r"Naming: episodes, repeats .from 0. and induction each need at least"
    ):
        Naming({})
