"""Class paths of components."""

from frozenvl.completion.class_paths import class_paths, shortest
from frozenvl.data.sources.source import Source
from frozenvl.model.mappers import Linear, Mapper


def test_the_shortest_path_of_each_class_that_can_be_built():
    paths = class_paths(Mapper)
    assert "frozenvl.model.mappers.Resampler" in paths and "frozenvl.model.mappers.Mapper" not in paths
    assert paths == sorted(paths) and len(paths) == len({*paths})


def test_classes_of_modules_that_nothing_has_imported_yet():
    assert "frozenvl.data.sources.winoground.WinogroundPairs" in class_paths(Source)


def test_classes_of_other_packages_are_left_out():
    class Own(Mapper):
        """Defined in a test."""

    assert all("Own" not in path for path in class_paths(Mapper))
    assert shortest(Linear) == "frozenvl.model.mappers.Linear" and shortest(Own).endswith(".Own")
