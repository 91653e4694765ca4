"""Sources built from a name and command-line arguments."""

from __future__ import annotations

import pytest

from frozenvl.data.registry import build_source, source_classes
from frozenvl.data.sources.source import Source
from frozenvl.util.errors import UserError


def test_all_concrete_sources_are_registered_by_name():
    classes = source_classes()
    assert {"CocoCaptions", "SceneCaptions", "Shards", "VQAQuestions"} <= classes.keys()
    assert not {"Source", "Questions", "_Scenes"} & classes.keys()
    assert all(issubclass(kind, Source) for kind in classes.values())


def test_command_line_arguments_are_passed_to_the_constructor():
    source = build_source("SceneCaptions", ["--size", "4", "--source.seed", "5", "--split=val"])
    assert type(source) is source_classes()["SceneCaptions"]
    assert (len(source), source.split, source.seed) == (4, "val", 5)
    assert len(build_source("frozenvl.data.sources.scenes.SceneCaptions", ["--size=3"])) == 3


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Nope", [], "no source 'Nope'; `frozenvl data what PATH` names .*or give a class path"),
        ("CocoCaption", [], "no source 'CocoCaption'; did you mean CocoCaptions. "),
        ("nowhere.Nope", [], "nowhere.Nope: cannot be imported"),
        ("os.path", [], "os.path: not a source"),
        ("SceneCaptions", ["--sise", "3"], r"unrecognized arguments: --sise 3 \(it takes .*--size"),
        ("SceneCaptions", ["--size", "many"], "SceneCaptions: .*size"),
    ],
)
def test_a_source_that_cannot_be_built_is_one_error_line(name, arguments, message):
    with pytest.raises(UserError, match=message) as error:
        build_source(name, arguments)
    assert "\n" not in str(error.value)
