"""Sources by name, as a command line tells of them."""

from __future__ import annotations

import pytest

from frozenvl.data.registry import build_source, source_classes
from frozenvl.data.sources.source import Source
from frozenvl.util.errors import UserError


def test_all_sources_that_can_be_built_are_known_by_name():
    classes = source_classes()
    assert {"CocoCaptions", "SceneCaptions", "Shards", "VQAQuestions"} <= classes.keys()
    assert not {"Source", "Questions", "_Scenes"} & classes.keys()
    assert all(issubclass(kind, Source) for kind in classes.values())


def test_arguments_become_those_of_the_constructor():
    source = build_source("SceneCaptions", ["--size", "4", "--source.seed", "5", "--split=val"])
    assert type(source) is source_classes()["SceneCaptions"]
    assert (len(source), source.split, source.seed) == (4, "val", 5)
    assert len(build_source("frozenvl.data.sources.scenes.SceneCaptions", ["--size=3"])) == 3


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("Nope", [], "no source 'Nope'; there are .*CocoCaptions.*or give a class path"),
        ("nowhere.Nope", [], "nowhere.Nope: cannot be imported"),
        ("os.path", [], "os.path: not a source"),
        ("SceneCaptions", ["--sise", "3"], r"unrecognized arguments: --sise 3 \(it takes .*--size"),
        ("SceneCaptions", ["--size", "many"], "SceneCaptions: .*size"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(name, arguments, said):
    with pytest.raises(UserError, match=said) as error:
        build_source(name, arguments)
    assert "\n" not in str(error.value)
