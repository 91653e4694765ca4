"""Benchmarks that cannot be run: one line that names them, before any benchmark runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from running import one_line
from suites import LOOP, QUESTIONS, described, result_files, scenes, toy
from talks import TALK, talk
from toy import Broken, Rows, Square, question

from frozenvl.evaluation import Captions, DialogueGeneration, FewShotVQA, Fixed
from frozenvl.evaluation.preflight import positions_of, unreadable
from frozenvl.evaluation.suite import check_suite, session_of
from frozenvl.prompt import Example, Marker
from frozenvl.util.errors import UserError
from frozenvl.video import Video
from frozenvl.wording import Template


def missing_key(folder: Path) -> dict:
    episode = {"image_1": "a.jpg", "question_image": "q.jpg", "question": "This is a", "answer": "dax"}
    (folder / "episodes.json").write_text(json.dumps([episode]))
    source = {
        "class_path": "frozenvl.data.sources.frozen_bench.FrozenBenchmark",
        "init_args": {"annotations": str(folder / "episodes.json"), "images": str(folder)},
    }
    return described("Naming", episodes={"2way": source})


def no_images(folder: Path) -> dict:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "caption": "x"}],
    }
    (folder / "captions.json").write_text(json.dumps(content))
    source = {
        "class_path": "frozenvl.data.sources.coco.CocoCaptions",
        "init_args": {"annotations": str(folder / "captions.json"), "images": str(folder)},
    }
    return described("Captions", source=source)


def labelled(folder: Path) -> dict:
    for label in ("cat", "dog"):
        (folder / label).mkdir()
        for number in range(2):
            PIL.Image.new("RGB", (9, 9)).save(folder / label / f"{number}.png")
    source = {"class_path": "frozenvl.data.sources.folder.ImageFolder", "init_args": {"folder": str(folder)}}
    return described("Naming", episodes={"pets": source})


def mixed_ways(folder: Path) -> dict:
    """Writes three episodes, the last with one more way; returns their benchmark."""
    PIL.Image.new("RGB", (9, 9)).save(folder / "a.png")
    episodes = []
    for ways in (1, 1, 2):
        episode = {"question_image": "a.png", "question": "This is a", "answer": "dax"}
        for at, name in enumerate(("dax", "blicket")[:ways], start=1):
            episode |= {f"image_{at}": "a.png", f"caption_{at}": f"This is a {name}"}
        episodes.append(episode)
    (folder / "episodes.json").write_text(json.dumps(episodes))
    bench = "frozenvl.data.sources.frozen_bench.FrozenBenchmark"
    files = {"annotations": str(folder / "episodes.json"), "images": str(folder)}
    return described("Naming", episodes={"mixed": {"class_path": bench, "init_args": files}})


def no_support(folder: Path) -> dict:
    """Writes an episode whose support image is missing; returns its benchmark."""
    PIL.Image.new("RGB", (9, 9)).save(folder / "q.png")
    episode = {"question_image": "q.png", "question": "This is a", "answer": "dax"}
    episode |= {"image_1": "gone.png", "caption_1": "This is a dax"}
    (folder / "episodes.json").write_text(json.dumps([episode]))
    bench = "frozenvl.data.sources.frozen_bench.FrozenBenchmark"
    files = {"annotations": str(folder / "episodes.json"), "images": str(folder)}
    return described("Naming", episodes={"1way": {"class_path": bench, "init_args": files}})


FEW = {"source": scenes("SceneQuestions", size=3), "pool": scenes("SceneQuestions", "train", size=40)}


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        (missing_key, "benchmark bad: * episodes.json: *no record has 'caption_1'"),
        (no_images, "bad: none of its first 1 prompts can be read: * a.jpg: no such image"),
        (
            described("Captions", source={"class_path": "frozenvl.data.sources.coco.CocoCaptions",
                                          "init_args": {"annotations": "no.json", "images": "."}}),
            "benchmark bad: no.json: no such file; check the path, or name the data's folder with --root",
        ),
        (
            described("FewShotVQA", **FEW, shots=[0, 30]),
            "bad-30shot: its longest prompt takes * positions with the answer, * has 512; ask for fewer shots",
        ),
        (described("FewShotVQA", **FEW, shots=[41]), "benchmark bad: *41 shots, but the pool has only 40 examples"),
        (
            described("FewShotVQA", **FEW | {"pool": FEW["source"]}, shots=[3]),
            "bad-3shot: 3 shots asked for, but the pool has only",
        ),
        (described("FewShotVQA", **FEW, shots=[1, 1]), "two evaluations are called bad-1shot"),
        (described("FewShotVQA", source=FEW["source"], shots=[1]), "benchmark bad: *needs a pool"),
        (described("FewShotVQA", shots=[0]), "benchmark bad: FewShotVQA: no task 'vqa' in data.val"),
        (described("FewShotVQA", **FEW, choose="sum", shots=[0]), "bad-0shot: question * has no choices"),
        (described("Nothing"), "benchmark bad: *Nothing"),
        ({"class_path": "frozenvl.evaluation.Captions", "init_args": {"shots": 3}}, "benchmark bad: *shots"),
        (described("Captions", source="${root}/x"), "--root"),
        (7, "benchmark bad: "),
        (labelled, "benchmark bad: Naming: pets: ImageFolder gives no episodes"),
        (mixed_ways, "bad: mixed: episode * has 2 ways and 1 shots, the first 1 and 1"),
        (no_support, "bad-1way: none of its first 1 prompts can be read: * gone.png: no such image"),
        (described("FewShotVQA", **FEW, shots=[0], max_new_tokens=0), "benchmark bad: *max_new_tokens is 0"),
        (described("FewShotVQA", **FEW, decoding={"num_beems": 3}), "benchmark bad: *decoding has 'num_beems'"),
        (
            described("FewShotVQA", **FEW, shots=[0], decoding={"do_sample": True, "temperature": 0.0}),
            "bad-0shot: decoding {'do_sample': True, 'temperature': 0.0}: transformers' `generate` refuses it",
        ),
        (
            described("FewShotVQA", **FEW, decoding={"num_return_sequences": 3}),
            "benchmark bad: *decoding has 'num_return_sequences', but one text is generated after each prompt",
        ),
        (
            described(
                "FewShotVQA", **FEW, shots=[0], template={"query": "{image}Q: {question} A: ", "target": "{target}"}
            ),
            "bad-0shot: the tokeniser joins *' and *across the border of prompt and target; let the template's target",
        ),
        (
            described(
                "FewShotVQA", **FEW, shots=[0], template={"query": "{image}{question}<end>", "target": " {target}"}
            ),
            "bad-0shot: template.query spells '<end>', a special token",
        ),
        (
            described("FewShotVQA", **FEW | {"source": scenes("SceneCaptions", size=3)}, shots=[0]),
            "bad-0shot: example * has no question",
        ),
        (
            described("FewShotVQA", **FEW, template={"query": "{question}", "target": " {target}"}),
            "benchmark bad: *template.query is '{question}', without {image}",
        ),
        (
            described("FewShotVQA", **FEW, template={"query": "{image}What?", "target": " {target}"}),
            "benchmark bad: *template.query is '{image}What?', without {question}",
        ),
        (
            described(
                "Naming", episodes={"2way": scenes("SceneEpisodes", size=3)}, template={"query": "{image}This"}
            ),
            "benchmark bad: *without {question}: *captions",
        ),
    ],
)  # fmt: skip
def test_an_impossible_benchmark_is_an_error_before_any_benchmark_runs(
    evaluate, run, tmp_path, capfd, answered, benchmark, message
):
    """The valid benchmarks before it do not run either."""
    bad = benchmark(tmp_path) if callable(benchmark) else benchmark
    assert evaluate(LOOP | {"bad": bad}) == 2
    line = one_line(capfd.readouterr().err)
    pieces = message.split("*")
    assert all(piece.strip() in line for piece in pieces), line
    assert not answered and not (run / "evaluation").exists()


def test_a_shared_support_set_has_to_be_readable(tiny_trained, tmp_path):
    pool = Rows(Example("torn", Broken("torn"), "y", ("no",) * 10, "Is it?", "no"))
    benchmark = FewShotVQA(source=QUESTIONS, pool=pool, shots=[1], way=Fixed())
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(
        UserError, match="vqa-1shot: all its queries share an image that cannot be read: torn"
    ):
        check_suite(toy(vqa=benchmark), session)


def test_the_longest_prompt_is_reported_if_any_is_too_long(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)

    def needed(*words: int) -> int:
        """Returns the number of positions in the error line, for questions with these numbers of words."""
        long = [question(10 + number, text="color " * count) for number, count in enumerate(words)]
        benchmark = FewShotVQA(source=Rows(*QUESTIONS.examples, *long), shots=[0])
        with pytest.raises(UserError, match=r"vqa-0shot: its longest prompt takes \d+ positions") as error:
            check_suite(toy(vqa=benchmark), session)
        return int(re.search(r"takes (\d+)", str(error.value))[1])

    assert needed(600) < needed(600, 700) == needed(700, 600)


def test_the_longest_conversation_is_reported_if_it_is_too_long(chatting, tmp_path):
    session = session_of(chatting, tmp_path, ["seeing"], 4, None)
    long = talk("long", *((f"color {'color ' * 20}?", "red") for _ in range(20)))
    for template in (Template("{image}{question}", chat=True), None):
        made = DialogueGeneration(source=Rows(TALK, long), template=template)
        with pytest.raises(UserError, match=r"talk-gold-history: its longest prompt takes \d+ positions"):
            check_suite(toy(talk=made), session)


def test_questions_without_answers_are_refused(tiny_trained, tmp_path):
    benchmark = FewShotVQA(source=Rows(question(1, answer="", references=())), shots=[0])
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(UserError, match="vqa-0shot: query q1 has no answer to score against"):
        check_suite(toy(vqa=benchmark), session)


def test_partial_results_do_not_overwrite_complete_ones(evaluate, run, capfd):
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1") == 0
    assert evaluate(LOOP, "--only", "vqa") == 0
    whole = result_files(run)
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1") == 2
    assert "vqa-0shot: holds the score of all its queries" in one_line(capfd.readouterr().err)
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1", "--views", "test-blind") == 0
    assert {name: content for name, content in result_files(run).items() if "blind" not in name} == whole


def test_a_source_without_examples_is_refused(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(UserError, match=r"^empty: has no queries; give it a source that is not empty$"):
        check_suite(toy(empty=Captions(source=Rows())), session)


def test_a_benchmark_needs_a_main_metric(tiny_trained, tmp_path):
    benchmark = Captions(source=QUESTIONS)
    benchmark.metrics = [replace(metric, main=False) for metric in benchmark.metrics]
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(UserError, match=r"^captions: 0 of the metrics .CIDEr, .* have main=True"):
        check_suite(toy(captions=benchmark), session)


def test_one_of_the_first_prompts_has_to_be_readable(tiny_trained, tmp_path):
    torn = [question(n, Broken(f"torn {n}")) for n in range(3)]
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    check_suite(toy(vqa=FewShotVQA(source=Rows(*torn, question(9)), shots=[0])), session)
    with pytest.raises(UserError, match=r"^vqa-0shot: none of its first 3 prompts can be read: torn"):
        check_suite(toy(vqa=FewShotVQA(source=Rows(*torn), shots=[0])), session)


def test_nothing_is_checked_if_validation_is_switched_off(tiny_trained, tmp_path):
    """An unreadable source is no error at a limit of 0 queries."""
    session = replace(session_of(tiny_trained, tmp_path, ["seeing"], 4, None), limit=0)
    check_suite(toy(vqa=FewShotVQA(source=Rows(question(1, Broken())), shots=[0])), session)


def test_frames_of_a_video_take_positions_and_are_read(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    video = Video([Square("a.png"), Square("b.png"), Square("c.png")])
    assert [positions_of(part, session) for part in (video, Square("a.png"), Marker("m"))] == [6, 2, 1]
    assert unreadable(video, session) == "" and "torn" in unreadable(
        Video([Square("a.png"), Broken()]), session
    )
    assert "no such video" in unreadable(Video(tmp_path / "none.mp4"), session)
    long = Rows(question(0, Video([Square("a.png")] * 300)))
    with pytest.raises(UserError, match=r"vqa-0shot: its longest prompt takes \d+ positions .* or frames"):
        check_suite({"vqa": FewShotVQA(source=long, shots=[0])}, session)
