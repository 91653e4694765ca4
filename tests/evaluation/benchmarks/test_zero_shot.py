"""Zero-shot classification: labels of every layout, ties, baselines, and runs by embedding and by likelihood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from running import one_line
from suites import described, rows_of, toy
from toy import Rows, Square

from frozenvl.data.sources.folder import ImageFolder
from frozenvl.data.sources.labelled import LabelledImages
from frozenvl.data.sources.table import TableCaptions
from frozenvl.evaluation import ZeroShot
from frozenvl.evaluation.benchmarks.zero_shot import label_of
from frozenvl.evaluation.query import Answer
from frozenvl.evaluation.score_file import read_score
from frozenvl.prompt import Example
from frozenvl.report.compare import compare
from frozenvl.util.errors import UserError


def labelled(key: str, label: str) -> Example:
    return Example(key, Square(f"{key}.png"), f"photograph {key}", (label,), answer=label)


def zero_shot(*labels: str, **options) -> ZeroShot:
    source = Rows(*(labelled(str(number), label) for number, label in enumerate(labels)))
    return toy(toy=ZeroShot(source=source, **options))["toy"]


def scored(made: ZeroShot, vectors) -> dict[str, float]:
    setting, answers = made.settings()[0], {}
    for query in made.queries(setting):
        part = query.prompt[0]
        vector = vectors[part if isinstance(part, str) else query.id.removesuffix("/image")]
        given = {"unreadable": "torn"} if vector is None else {"vector": np.array(vector, "f4")}
        answers[query.id] = Answer(query, **given)
    return dict(made.score(setting, answers).scores)


def test_scores_by_hand():
    made = zero_shot("cat", "cat", "dog", "fox", templates="word")
    vectors = {"cat": [1, 0], "dog": [0, 1], "fox": [0, 1]}
    scores = scored(made, vectors | {"0": [2, 1], "1": None, "2": [0, 1], "3": [1, 0]})
    # right; unreadable; ties with fox; nearer to cat
    assert scores == {
        "acc1": 25, "mean_per_class_recall": pytest.approx(50 / 3),
        "class/cat": 50, "class/dog": 0, "class/fox": 0,
    }  # fmt: skip


def test_the_gallery_has_images_with_their_first_labels():
    made = zero_shot("cat", "dog", templates="word")
    setting = made.settings()[0]
    vectors = {"0/image": [1, 0], "1/image": [3, 4], "label0/0": [1, 0], "label1/0": [0, 1]}
    answers = {q.id: Answer(q, vector=np.array(vectors[q.id], "f4")) for q in made.queries(setting)}
    tiles = {tuple(tile.texts): tile.references for tile in made.tiles(setting, answers)}
    assert tiles == {("✓ cat  1.00", "✗ dog  0.00"): ["cat"], ("✓ dog  0.80", "✗ cat  0.60"): ["dog"]}


def test_baselines_are_chance_and_the_most_frequent_class():
    made = zero_shot("cat", "cat", "cat", "dog", labels=["cat", "dog", "emu", "fox"])
    assert made.baselines(made.settings()[0]) == {"chance": 25, "most_frequent": 75}
    made = zero_shot("cat", "dog", supervised_probe=90.0)
    assert made.baselines(made.settings()[0])["supervised_probe"] == 90


def test_the_labels_are_those_given_or_those_of_the_data():
    assert zero_shot("dog", "cat", "dog").labels == ("cat", "dog")
    assert zero_shot("dog", "cat", labels=["fox", "dog", "cat"]).labels == ("fox", "dog", "cat")


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            ("cat", "emu", "emu", "dog"),
            {"labels": ["cat", "dog"]},
            r"toy: 2 of 4 images have a label that the given labels lack \('emu'\); add it",
        ),
        (("cat", "cat"), {}, "toy: all images have the label 'cat'; give `labels`"),
    ],
)
def test_labels_that_do_not_fit_the_data(labels, options, message):
    with pytest.raises(UserError, match=message):
        zero_shot(*labels, **options).prepare(False)


def test_labels_of_examples():
    image = Square("a.png")
    assert label_of(Example("1", image, "1", ("x",), answer="cat")) == "cat"
    assert label_of(Example("1", image, "1", kind={"label": "electric_ray"})) == "electric ray"
    assert label_of(Example("1", image, "1", ("cat ", "cat"))) == "cat"
    for references, problem in (((), "no label"), (("a cat", "two cats"), "several labels")):
        with pytest.raises(UserError, match=f"example 1 has {problem}; give images with one label each"):
            label_of(Example("1", image, "1", references))


def pictures(folder: Path) -> Path:
    """Writes two images of each of three classes, by subfolder, and a table of files and labels."""
    rows = ["file\tlabel"]
    for number, name in enumerate(("electric_ray", "tench", "red_fox")):
        (folder / "images" / name).mkdir(parents=True)
        for copy in range(2):
            file = folder / "images" / name / f"{copy}.png"
            PIL.Image.new("RGB", (40, 30), (90 * number, 99, 120 * copy)).save(file)
            rows.append(f"{name}/{copy}.png\t{name.replace('_', ' ')}")
    (folder / "labels.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_folders_by_class_and_tables_of_labels_are_read(tmp_path):
    folder = pictures(tmp_path)
    images, table = str(folder / "images"), str(folder / "labels.tsv")
    sources = [
        LabelledImages(images),
        ImageFolder(images),
        TableCaptions(table, images, {"image": "file", "caption": "label"}),
    ]
    for source in sources:
        found = {(source[n].image.path, label_of(source[n])) for n in range(len(source))}
        assert len(found) == 6
        assert all(path.parent.name.replace("_", " ") == label for path, label in found)


def suite(folder: Path, **options) -> dict:
    source = {
        "class_path": "frozenvl.data.sources.labelled.LabelledImages",
        "init_args": {"folder": str(folder / "images")},
    }
    return {"classes": described("ZeroShot", source=source, **options)}


@pytest.mark.parametrize("by", ["embedding", "likelihood", "both"])
def test_a_run_with_a_head_is_evaluated(headed, evaluate, tmp_path, by):
    made = suite(pictures(tmp_path / "data"), by=by, labels=["tench", "red fox", "electric ray", "emu"])
    assert evaluate(made, checkpoint=headed) == 0
    score = read_score(headed / "evaluation/classes/score.json")
    assert score.main == "acc1" and score.shown == ["acc1", "mean_per_class_recall"]
    assert score.baselines == {"chance": 25, "most_frequent": pytest.approx(100 / 3)}
    assert {"class/tench", "class/red fox", "class/electric ray"} < score.scores.keys()
    assert score.provenance["labels"] == ["tench", "red fox", "electric ray", "emu"]
    assert (headed / "evaluation/classes/gallery.png").is_file()
    again = compare(*[headed / "evaluation/classes/predictions.jsonl"] * 2)
    assert again.a == pytest.approx(score.scores) and again.metrics == score.metrics
    assert score.provenance["by"] == by and len(score.provenance["templates"]) == 7
    rows = rows_of(headed / "evaluation/classes")
    images, texts = (
        6 * (1 if by == "embedding" else 7 if by == "likelihood" else 8),
        28 * (by != "likelihood"),
    )
    assert len(rows) == images + texts
    if by == "likelihood":
        likeliest = {}
        for key, row in rows.items():
            likeliest.setdefault(key.split("/likelihood")[0], []).append(row["values"])
        labels = ["tench", "red fox", "electric ray", "emu"]
        truth = {key.split("/likelihood")[0]: row["references"][0] for key, row in rows.items()}
        right = [labels[np.mean(values, axis=0).argmax()] == truth[key] for key, values in likeliest.items()]
        assert score.scores["acc1"] == pytest.approx(100 * np.mean(right))


def test_likelihoods_need_no_head(evaluate, run, tmp_path):
    made = suite(pictures(tmp_path / "data"), by="likelihood", templates=["It is a {label}"])
    assert evaluate(made, "--limit", "1") == 0
    score = read_score(run / "evaluation/classes/score.json")
    assert score.partial and score.samples == 3
    shown = rows_of(run / "evaluation/classes")
    assert {row["text"] for row in shown.values()} <= {"electric ray", "red fox", "tench"}


def test_bad_labels_are_answered_in_one_line(evaluate, run, tmp_path, capsys):
    folder = pictures(tmp_path / "data")
    (tmp_path / "labels.txt").write_text("tench\ntench\n")
    for options, message in (
        ({"labels_file": str(tmp_path / "labels.txt")}, "'tench' stands twice (lines 1 and 2); remove one"),
        ({"labels": ["tench", "emu"]}, "classes: 4 of 6 images have a label that the given labels lack"),
        ({"templates": ["{labels}"]}, "templates: '{labels}' has to contain {label} once"),
    ):
        capsys.readouterr()
        assert evaluate(suite(folder, by="likelihood", **options)) == 2
        assert message in one_line(capsys.readouterr().err)
