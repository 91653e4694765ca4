"""Naming with words bound in the support set: exact prompts, and the strict and the lenient score."""

from __future__ import annotations

import pytest
from toy import TWO, answer, episode, first_prompts, words

from frozenvl.data.sources.frozen_bench import FrozenBenchmark
from frozenvl.evaluation import Naming
from frozenvl.wording import NAMING_WORDINGS, Template

NAMES = ("dax", "blicket", "slation", "perpo", "shously")


def test_prompts_of_open_ended_naming():
    assert first_prompts(Naming(TWO)) == {
        "2way": "<a.png>This is a dax\n<b.png>This is a blicket\n<q.png>This is a",
        "2way-induced": "Answer with dax or blicket.\n"
        "<a.png>This is a dax\n<b.png>This is a blicket\n<q.png>This is a",
    }


def test_the_prompt_of_the_papers_figures():
    assert first_prompts(Naming(TWO, template="paper", induction=[""])) == {
        "2way": "<a.png>Q: What is this? A: This is a dax\n<b.png>Q: What is this? A: This is a blicket\n"
        "<q.png>Q: What is this? A: This is a"
    }
    assert [NAMING_WORDINGS[name].stop for name in ("paper", "published")] == [("\n", "Q:"), ("\n",)]


def test_prompts_and_facts_of_three_inner_shots_and_five_ways():
    inner = episode("dax", "blicket", "blicket", "dax", "dax", "blicket")
    five = episode(*NAMES, answer="perpo")
    naming = Naming(
        {"2way-3shot": [inner], "5way": [five]}, induction=["Answer with {names}.\n"], repeats=[0, 1]
    )
    facts = {setting.name: setting.facts for setting in naming.settings()}
    assert {name: (f["ways"], f["inner_shots"], f["repeats"]) for name, f in facts.items()} == {
        "2way-3shot-induced": (2, 3, 0),
        "2way-3shot-induced-repeats1": (2, 3, 1),
        "5way-induced": (5, 1, 0),
        "5way-induced-repeats1": (5, 1, 1),
    }
    prompts = first_prompts(naming)
    assert prompts["5way-induced"] == (
        "Answer with dax or blicket or slation or perpo or shously.\n"
        "<a.png>This is a dax\n<b.png>This is a blicket\n<c.png>This is a slation\n<d.png>This is a perpo\n"
        "<e.png>This is a shously\n<q.png>This is a"
    )
    assert prompts["2way-3shot-induced"].count("This is a dax\n") == 3
    chances = [naming.baselines(setting) for setting in naming.settings()]
    assert chances == [{"chance": 50.0}, {"chance": 50.0}, {"chance": 20.0}, {"chance": 20.0}]


def test_strict_and_first_phrase_scores():
    naming = Naming(TWO)
    answers = {
        "exact": answer("dax"),
        "runs on": answer("dax", ended=False),
        "goes on": answer("dax. A"),
        "with more": answer("dax thing"),
        "other": answer("blicket"),
        "one period": answer("dax."),
    }
    scores = naming.score(naming.settings()[0], answers).scores
    assert scores == pytest.approx({"strict": 100 * 2 / 6, "first_phrase": 100 * 4 / 6})
    assert {key: naming.right(each) for key, each in answers.items()} == {
        "exact": 1, "runs on": 0, "goes on": 0, "with more": 0, "other": 0, "one period": 1,
    }  # fmt: skip
    assert [metric.name for metric in naming.metrics if metric.main] == ["strict"]


def test_candidates_are_the_names_in_alphabetical_order():
    naming = Naming({"2way": [episode("dax", "blicket")]}, choose="sum", induction=[""])
    assert naming.queries(naming.settings()[0])[0].candidates == (" blicket", " dax")


def test_a_custom_template():
    own = Template(query="{image} {question}", target=" {target}", separator=" | ")
    (prompt,) = first_prompts(Naming(TWO, template=own, induction=[""])).values()
    assert prompt == "<a.png> This is a dax | <b.png> This is a blicket | <q.png> This is a"


@pytest.mark.data
def test_prompts_of_the_published_files(data, tmp_path):
    """The images of the first file (5.7 GB) are not needed to read its texts."""
    official = data / "frozen_bench" / "official"
    open_ended = FrozenBenchmark(
        str(official / "open_ended_mi_shots_1_ways_2_all_questions.json"), str(tmp_path)
    )
    naming = Naming({"2way-1shot": open_ended}, induction=["", "Answer with {names}.\n"])
    plain, induced = naming.settings()
    assert len(naming.queries(plain)) == 2500
    image = "open_ended_mi_shots_1_ways_2_id_0002_"
    support = f"<{image}image_1.jpg>This is a blicket\n<{image}image_2.jpg>This is a dax\n"
    assert words(naming.queries(plain)[1].prompt) == f"{support}<{image}question.jpg>This is a"
    assert words(naming.queries(induced)[1].prompt).startswith("Answer with blicket or dax.\n<open_ended")
    assert naming.queries(plain)[1].references == ("blicket",)
    answers = {naming.queries(plain)[n].references[0] for n in range(2500)}
    assert answers <= {"dax", "blicket", "slation", "perpo", "shously", "zopple"}


@pytest.mark.data
@pytest.mark.parametrize(("ways", "inner"), [(2, 1), (2, 3), (2, 5), (5, 1)])
@pytest.mark.parametrize("kind", ["open_ended", "real_name"])
def test_prompts_of_files_in_the_published_layout(data, kind, ways, inner):
    folder = data / "frozen_bench" / "mini"
    file = folder / f"{kind}_mi_shots_{inner}_ways_{ways}_all_questions.json"
    naming = Naming({"x": FrozenBenchmark(str(file), str(folder / "images"))}, choose="sum")
    setting = naming.settings()[0]
    assert (setting.facts["ways"], setting.facts["inner_shots"]) == (ways, inner)
    for index in range(len(naming.queries(setting))):
        query = naming.queries(setting)[index]
        assert len(query.candidates) == ways and f" {query.references[0]}" in query.candidates
