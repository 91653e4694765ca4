"""Answers to a harness's documents are those of the package's own benchmarks."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from frozenvl.data.episodes.fixed import Fixed
from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions
from frozenvl.evaluation.asks import Choose
from frozenvl.evaluation.query import Query, Request
from frozenvl.integrations.harness import Document, HarnessModel, ask_of
from frozenvl.prompt import Image, joined
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA, Template

CAPTIONS = SceneCaptions("val", size=5, resolution=64)
QUESTIONS = SceneQuestions("val", size=7, resolution=64)


def document(example, text=None) -> Document:
    return Document(example.id, example.question if text is None else text, lambda: [example.image.read()])


def predictions(run, evaluation) -> dict[str, str]:
    lines = (run / "evaluation" / evaluation / "predictions.jsonl").read_text().splitlines()
    return {row["id"]: row["text"] for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def model(tiny_run) -> HarnessModel:
    return HarnessModel(str(tiny_run), batch_size=3)


@pytest.fixture
def pool(tmp_path):
    source = {"split": "train", "size": 16, "resolution": 64}
    settings = {"class_path": "SceneQuestions", "init_args": source}
    (tmp_path / "pool.yaml").write_text(yaml.safe_dump(settings))
    return str(tmp_path / "pool.yaml")


def test_texts_are_those_of_the_benchmarks(model, tiny_run):
    captions = model.generate([document(e) for e in CAPTIONS], [{"max_new_tokens": 5}] * 5)
    assert dict(zip([e.id for e in CAPTIONS], captions, strict=True)) == predictions(tiny_run, "captions")
    options = {"max_new_tokens": 4, "until": ["\n\n"], "do_sample": False, "temperature": 0, "num_beams": 1}
    answers = model.generate([document(e) for e in QUESTIONS], [options] * 7)
    assert dict(zip([e.id for e in QUESTIONS], answers, strict=True)) == predictions(tiny_run, "vqa-0shot")


def test_answers_keep_the_order_of_requests_with_different_options(model):
    documents = [document(example) for example in (*QUESTIONS, *CAPTIONS)]
    options = [{"max_new_tokens": 1 + place % 3} for place in range(len(documents))]
    together = model.generate(documents, options)
    alone = [model.generate([d], [o])[0] for d, o in zip(documents, options, strict=True)]
    assert together == alone and len(set(alone)) > 3


@pytest.mark.parametrize("end_token", [True, False])
def test_likelihoods_are_those_of_the_benchmarks(model, end_token):
    examples = [*map(QUESTIONS.__getitem__, range(3))]
    choices = ["red", "blue", "a large star"]
    template = model.answering
    queries = [
        Query(e.id, template.prompt(e), e.id, candidates=tuple(f" {choice}" for choice in choices))
        for e in examples
    ]
    session = model.session
    asked = Choose("sum", end_token=end_token)([Request(q, q.prompt, 0) for q in queries], session)
    found = model.loglikelihoods(
        [document(e) for e in examples for _ in choices],
        [f" {choice}" for _ in examples for choice in choices],
    )
    values = [one.logp if end_token else one.logp - one.end for one in found]
    assert values == [value for answer in asked for value in answer.values]
    assert len(set(values)) == 9


def test_demonstrations_are_those_of_a_fixed_support_set(tiny_run, pool):
    model = HarnessModel(str(tiny_run), 4, shots=2, pool=pool, seed=3)
    source, way = SceneQuestions("train", size=16, resolution=64), Fixed()
    way.prepare(QUESTIONS, source, lambda done, total: None)
    assert model.shots == way.draw(QUESTIONS[0], source, 2, 3)
    expected = model.model.generate(
        model.session.plain([model.answering.prompt(e, model.shots) for e in QUESTIONS]),
        model.session.plain,
        4,
    )
    got = model.generate([document(e) for e in QUESTIONS], [{"max_new_tokens": 4}] * 7)
    assert got == [model.answering.answer(text) for text in expected]
    assert got != HarnessModel(str(tiny_run)).generate(
        [document(e) for e in QUESTIONS], [{"max_new_tokens": 4}] * 7
    )


def test_a_demonstration_never_shows_the_documents_image(tiny_run, pool):
    model = HarnessModel(str(tiny_run), shots=1, pool=pool)
    with pytest.raises(UserError, match=r"its image is also that of the demonstration .*; name another pool"):
        model.generate([document(model.shots[0])], [{}])


def test_a_blind_run_sees_black_images(tiny_run, tmp_path):
    blind = tmp_path / "blind"
    shutil.copytree(tiny_run, blind, ignore=shutil.ignore_patterns("evaluation"))
    config = yaml.safe_load((blind / "config.yaml").read_text())
    config["data"]["blind"] = True
    (blind / "config.yaml").write_text(yaml.safe_dump(config))
    model = HarnessModel(str(blind), 5)
    likelihoods = model.loglikelihoods([document(e, "What?") for e in CAPTIONS], ["red"] * 5)
    assert len({one.logp for one in likelihoods}) == 1


def test_a_template_of_a_file_words_documents(tiny_run, tmp_path):
    (tmp_path / "t.yaml").write_text('{query: "{image}A picture of", target: " {target}", stop: []}')
    model = HarnessModel(str(tiny_run), template=str(tmp_path / "t.yaml"))
    query = model._query(document(CAPTIONS[0], "Describe it."), (), alive := [])
    assert [part for part in query.prompt if isinstance(part, str)] == ["A picture of"] and alive
    assert model.answering == Template("{image}A picture of", " {target}", stop=())


def test_several_images_and_none(model):
    first, second = (example.image.read() for example in (CAPTIONS[0], CAPTIONS[1]))
    two = Document("2", "left <image> right <image>?", lambda: [first, second])
    none = Document("0", "What is red?", lambda: None)
    front = Document("f", "Same?", lambda: [first, second])
    shapes = []
    for asked in (two, none, front):
        prompt = model._query(asked, (), alive := []).prompt
        shapes.append(["image" if isinstance(part, Image) else part for part in joined(prompt)])
        assert len(alive) == 2 * (asked is not none)
    assert shapes == [
        ["Question: left ", "image", " right ", "image", "? Answer:"],
        ["Question: What is red? Answer:"],
        ["image", "image", "Question: Same? Answer:"],
    ]
    assert len(model.generate([two, none, front], [{"max_new_tokens": 2}] * 3)) == 3


@pytest.mark.parametrize(
    ("options", "decoding"),
    [
        ({}, {}),
        ({"temperature": 0, "top_p": 1.0, "num_beams": 1, "do_sample": False}, {}),
        ({"temperature": 0.7, "top_p": None}, {"temperature": 0.7, "do_sample": True}),
        ({"do_sample": True, "top_k": 5}, {"do_sample": True, "top_k": 5}),
        ({"do_sample": False, "temperature": 0.7, "num_beams": 3}, {"num_beams": 3}),
        ({"image_aspect_ratio": "pad"}, {}),
    ],
)
def test_options_of_a_harness_become_decoding_options(options, decoding):
    assert ask_of(options, VQA).decoding == decoding


def test_stop_strings_are_the_tasks_and_the_templates():
    assert ask_of({"until": "\n\n", "max_new_tokens": 7}, VQA).stop == ("\n", "Question:", "\n\n")
    ask = ask_of({"until": ["A", ""]}, Template(stop=()))
    assert ask.stop == ("A",) and ask.max_new_tokens == 128


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"do_sample": True, "temperature": 0}, "sampling needs one above 0"),
        ({"max_gen_toks": 5}, "decoding has 'max_gen_toks', which is no option"),
        ({"num_return_sequences": 2}, "one text is generated after each prompt"),
        ({"max_new_tokens": 0}, "an answer needs at least one"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        ask_of(options, VQA)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 2}, "shots and pool belong together"),
        ({"template": "missing.yaml"}, "missing.yaml: cannot be read"),
        ({"shots": 1, "pool": "list.yaml"}, "list.yaml: holds no mapping"),
        ({"shots": 1, "pool": "empty.yaml"}, "empty.yaml: has no class_path"),
        ({"shots": 1, "pool": "unknown.yaml"}, "no source 'SceneQuestion'; did you mean SceneQuestions"),
        ({"shots": 99, "pool": "few.yaml"}, "99 shots asked for, but the pool has only 4 examples"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(tiny_run, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    few = {"class_path": "SceneQuestions", "init_args": {"split": "train", "size": 4}}
    files = {"list": [1], "empty": {}, "unknown": {"class_path": "SceneQuestion"}, "few": few}
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message) as refused:
        HarnessModel(str(tiny_run), **options)
    assert "\n" not in str(refused.value)
