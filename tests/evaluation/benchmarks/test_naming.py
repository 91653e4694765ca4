"""Episodes: worded to the letter, and scored by the strict rule beside the lenient one."""

from __future__ import annotations

import pytest
from toy import Square, words

from frozenvl.data.sources.frozen_bench import FrozenBenchmark
from frozenvl.evaluation import EpisodeVQA, Naming
from frozenvl.evaluation.query import Answer, Query
from frozenvl.prompt import Episode
from frozenvl.util.errors import UserError
from frozenvl.wording import NAMING_WORDINGS, Template

NAMES = ("dax", "blicket", "slation", "perpo", "shously")


def episode(*names: str, answer: str = "dax", question: str = "This is a", key: str = "1") -> Episode:
    """With a support image for each of the names, a.png, b.png … in this order."""
    support = tuple((Square(f"{chr(97 + n)}.png"), f"This is a {name}") for n, name in enumerate(names))
    return Episode(key, support, Square("q.png"), question, answer, tuple(dict.fromkeys(names)))


def asked(benchmark) -> dict[str, str]:
    """The first prompt of each setting, in words."""
    return {setting.name: words(benchmark.queries(setting)[0].prompt) for setting in benchmark.settings()}


TWO = {"2way": [episode("dax", "blicket")]}


def test_open_ended_to_the_letter():
    assert asked(Naming(TWO)) == {
        "2way": "<a.png>This is a dax\n<b.png>This is a blicket\n<q.png>This is a",
        "2way-induced": "Answer with dax or blicket.\n"
        "<a.png>This is a dax\n<b.png>This is a blicket\n<q.png>This is a",
    }


def test_the_papers_figures_to_the_letter():
    assert asked(Naming(TWO, template="paper", induction=[""])) == {
        "2way": "<a.png>Q: What is this? A: This is a dax\n<b.png>Q: What is this? A: This is a blicket\n"
        "<q.png>Q: What is this? A: This is a"
    }
    assert [NAMING_WORDINGS[name].stop for name in ("paper", "published")] == [("\n", "Q:"), ("\n",)]


@pytest.mark.parametrize("repeats", [0, 1, 3])
def test_each_example_stands_once_and_then_repeats_times(repeats):
    """The whole support goes round again, in its order."""
    (prompt,) = asked(Naming(TWO, repeats=[repeats], induction=[""])).values()
    support = "<a.png>This is a dax\n<b.png>This is a blicket\n"
    assert prompt == support * (1 + repeats) + "<q.png>This is a"


def test_inner_shots_and_five_ways():
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
    prompts = asked(naming)
    assert prompts["5way-induced"] == (
        "Answer with dax or blicket or slation or perpo or shously.\n"
        "<a.png>This is a dax\n<b.png>This is a blicket\n<c.png>This is a slation\n<d.png>This is a perpo\n"
        "<e.png>This is a shously\n<q.png>This is a"
    )
    assert prompts["2way-3shot-induced"].count("This is a dax\n") == 3
    chances = [naming.baselines(setting) for setting in naming.settings()]
    assert chances == [{"chance": 50.0}, {"chance": 50.0}, {"chance": 20.0}, {"chance": 20.0}]


def test_several_inductions_are_told_apart():
    names = [setting.name for setting in Naming(TWO, induction=["", "One.\n", "Two.\n"]).settings()]
    assert names == ["2way", "2way-induced1", "2way-induced2"]


def test_questions_about_named_things_to_the_letter():
    coat = episode("coat", "jacket", question="What kind of a coat is that?", answer="That is a blue coat.")
    bare = Episode("2", (), Square("q.png"), "What is on the dax?", "a lamp", ())
    vqa = EpisodeVQA({"2way": [coat], "0shot": [bare]}, repeats=[0, 1])
    support = "<a.png>This is a coat\n<b.png>This is a jacket\n"
    query = "<q.png>Q: What kind of a coat is that? A:"
    assert asked(vqa) == {
        "2way": support + query,
        "2way-repeats1": support * 2 + query,
        "0shot": "<q.png>Q: What is on the dax? A:",
    }


def answer(text: str, ended: bool = True, name: str = "dax") -> Answer:
    return Answer(Query(text, (), text, (name,)), text, ended=ended)


def test_strict_and_first_phrase_side_by_side():
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


def test_a_whole_sentence_is_matched_after_normalising():
    vqa = EpisodeVQA({"2way": [episode("coat", "jacket")]})
    answers = {
        "sentence": answer("that is blue coat", name="That is a blue coat."),
        "word": answer("blue", name="That is a blue coat."),
    }
    assert vqa.score(vqa.settings()[0], answers).scores["overall"] == 50
    assert [vqa.right(each) for each in answers.values()] == [1, 0]


def test_a_support_that_names_nothing_cannot_be_chosen_from():
    nameless = Episode("7", ((Square("a.png"), "Look!"),), Square("q.png"), "This is a", "dax", ())
    for options in ({"choose": "sum", "induction": [""]}, {"induction": ["Answer with {names}.\n"]}):
        naming = Naming({"x": [nameless]}, **options)
        with pytest.raises(UserError, match=r"episode 7: its captions do not name things") as error:
            naming.queries(naming.settings()[0])[0]
        assert "\n" not in str(error.value)


def test_candidates_are_the_names_in_an_order_that_tells_nothing():
    naming = Naming({"2way": [episode("dax", "blicket")]}, choose="sum", induction=[""])
    assert naming.queries(naming.settings()[0])[0].candidates == (" blicket", " dax")


@pytest.mark.parametrize("options", [{"repeats": []}, {"repeats": [-1]}, {"induction": []}])
def test_no_setting_at_all_is_refused(options):
    with pytest.raises(UserError, match="each need at least one value"):
        Naming(TWO, **options)


def test_a_template_of_ones_own():
    own = Template(query="{image} {question}", target=" {target}", separator=" | ")
    (prompt,) = asked(Naming(TWO, template=own, induction=[""])).values()
    assert prompt == "<a.png> This is a dax | <b.png> This is a blicket | <q.png> This is a"


@pytest.mark.data
def test_the_published_files_to_the_letter(data, tmp_path):
    """The images of the first are 5.7 GB elsewhere: its text is read without them."""
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

    guided = FrozenBenchmark(
        str(official / "guided_vqa_two_demo_questions.json"), str(official / "demo_images")
    )
    assert asked(EpisodeVQA({"2way-1shot": guided})) == {
        "2way-1shot": "<gvqa_1_1.jpg>This is a coat\n<gvqa_1_2.jpg>This is a jacket\n"
        "<gvqa_1_3.jpg>Q: What kind of a coat is that? A:"
    }


@pytest.mark.data
@pytest.mark.parametrize(("ways", "inner"), [(2, 1), (2, 3), (2, 5), (5, 1)])
@pytest.mark.parametrize("kind", ["open_ended", "real_name"])
def test_files_laid_out_like_the_published_ones(data, kind, ways, inner):
    folder = data / "frozen_bench" / "mini"
    file = folder / f"{kind}_mi_shots_{inner}_ways_{ways}_all_questions.json"
    naming = Naming({"x": FrozenBenchmark(str(file), str(folder / "images"))}, choose="sum")
    setting = naming.settings()[0]
    assert (setting.facts["ways"], setting.facts["inner_shots"]) == (ways, inner)
    for index in range(len(naming.queries(setting))):
        query = naming.queries(setting)[index]
        assert len(query.candidates) == ways and f" {query.references[0]}" in query.candidates
