"""Captions of rendered scenes: the objects that they state."""

from __future__ import annotations

import pytest

from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.evaluation import Captions, ObjectCaptions
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.rescoring import rescore, rescoring_of
from frozenvl.metrics.stated_objects import stated_objects

SOURCE = SceneCaptions("val", size=12, resolution=64)


@pytest.fixture
def made() -> ObjectCaptions:
    made = ObjectCaptions(source=SOURCE, max_new_tokens=7)
    made.bind({}, {})
    return made


def answers(made: ObjectCaptions, text) -> dict[str, Answer]:
    (setting,) = made.settings()
    return {query.id: Answer(query, text(query)) for query in made.queries(setting)}


def test_a_true_caption_states_only_objects_of_the_scene(made):
    (setting,) = made.settings()
    found = made.score(setting, answers(made, lambda query: query.references[3]))
    assert found.scores["objects right"] == found.scores["objects found"] == 100
    assert found.scores["CIDEr"] > 1


def test_the_references_of_a_scene_state_all_of_its_objects(made):
    for example in SOURCE:
        for text in example.references:
            stated = stated_objects(text, made.attributes, made.nouns)
            assert stated == {group.pair for group in example.image.scene.groups}, text


def test_one_answer_is_right_by_the_share_of_its_objects(made):
    (setting,) = made.settings()
    queries = made.queries(setting)
    query = next(q for q in queries if "two red stars" not in q.references[0])
    colour, shape = sorted(stated_objects(query.references[0], made.attributes, made.nouns))[0]
    texts = {f"a {colour} {shape} and two red stars": 0.5, f"{colour} {shape}s": 1.0, "nothing": 0.0}
    assert {text: made.right(Answer(query, text)) for text in texts} == texts


def test_its_name_and_settings_are_those_of_captions(made):
    plain = Captions(source=SOURCE)
    assert ObjectCaptions().name == ObjectCaptions().task == "captions" and made.ask.max_new_tokens == 7
    (setting,), (usual,) = made.settings(), plain.settings()
    assert usual.provenance.items() <= setting.provenance.items()
    assert "red" in setting.provenance["attributes"] and "moon" in setting.provenance["nouns"]


def test_predictions_are_scored_again_alike(made):
    (setting,) = made.settings()
    queries = list(made.queries(setting))
    given = answers(made, lambda query: queries[queries.index(query) - 1].references[0])
    expected = made.score(setting, given)
    rows = {
        key: {"text": answer.text, "references": list(answer.query.references)}
        for key, answer in given.items()
    }
    again = rescore(rescoring_of("object_captions"), rows, setting.provenance)
    assert again.result.scores == expected.scores and again.per_query == expected.per_query
    assert 0 <= expected.scores["objects right"] < 60
