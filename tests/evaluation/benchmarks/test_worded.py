"""Source and prompt template of a benchmark: a task of the run, or its own."""

from __future__ import annotations

import pytest
from toy import Rows, question

from frozenvl.data.stream import Task
from frozenvl.evaluation import Captions, FewShotVQA
from frozenvl.evaluation.benchmarks.worded import induced
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

SOURCE = Rows(question(1, answer="red"))
TASK = Task(SOURCE, Template("{image}Q: {question} A:", " {target}", stop=("\n", "Q:")))
OWN = Template("{image}{question}", " {target}", stop=("!",))


def test_source_template_and_stop_texts_come_from_the_task():
    vqa = FewShotVQA(task="asked", shots=[0], max_new_tokens=3)
    vqa.bind({}, {"asked": TASK})
    assert (vqa.name, vqa.source, vqa.template) == ("asked", SOURCE, TASK.template)
    assert (vqa.ask.stop, vqa.ask.max_new_tokens) == (("\n", "Q:"), 3)
    (setting,) = vqa.settings()
    assert vqa.queries(setting)[0].prompt == (SOURCE[0].image, "Q: Is it 1? A:")


def test_its_own_template_overrides_that_of_the_task():
    vqa = FewShotVQA(task="asked", template=OWN, shots=[0])
    vqa.bind({}, {"asked": TASK})
    assert vqa.template == OWN and vqa.ask.stop == ("!",) and vqa.source is SOURCE


def test_choosing_ignores_stop_texts():
    vqa = FewShotVQA(task="asked", choose="mean", shots=[0])
    ask = vqa.ask
    vqa.bind({}, {"asked": TASK})
    assert vqa.ask is ask and vqa.template == TASK.template


def test_a_task_together_with_a_source_is_refused():
    with pytest.raises(
        UserError, match=r"^Captions: give it a task of data.val or a source of its own, not both$"
    ):
        Captions(task="captions", source=SOURCE)


@pytest.mark.parametrize(("tasks", "known"), [({}, "none"), ({"a": TASK, "b": TASK}, "a, b")])
def test_an_unknown_task_is_refused_and_the_tasks_are_listed(tasks, known):
    with pytest.raises(UserError, match=rf"^Captions: no task 'x' in data.val .there are: {known}.$"):
        Captions(task="x").bind({}, tasks)


def test_a_template_without_the_question_or_image_is_refused():
    """Captions need only the image."""
    silent = Template("{image}What is it?")
    Captions(source=SOURCE, template=silent).bind({}, {})
    with pytest.raises(
        UserError, match=r"FewShotVQA: template.query is '.*', without {question}: the model would not see it"
    ):
        FewShotVQA(source=SOURCE, template=silent, shots=[0]).bind({}, {})
    with pytest.raises(
        UserError,
        match=r"Captions: template.query is 'A photo:', without {image}: the model would not see it",
    ):
        Captions(source=SOURCE, template=Template("A photo:")).bind({}, {})


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["", "One."], ["", "-induced"]),
        (["One."], ["-induced"]),
        (["One.", "", "Two."], ["-induced1", "", "-induced2"]),
    ],
)
def test_several_induction_texts_are_numbered(texts, names):
    assert [induced(texts, text) for text in texts] == names
