"""Questions that use a word bound in the support set: exact prompts, and matching after normalisation."""

from __future__ import annotations

import pytest
from toy import Square, answer, episode, first_prompts

from frozenvl.data.sources.frozen_bench import FrozenBenchmark
from frozenvl.evaluation import EpisodeVQA
from frozenvl.prompt import Episode
from frozenvl.wording import Template


def test_prompts_of_questions_about_named_things():
    coat = episode("coat", "jacket", question="What kind of a coat is that?", answer="That is a blue coat.")
    bare = Episode("2", (), Square("q.png"), "What is on the dax?", "a lamp", ())
    vqa = EpisodeVQA({"2way": [coat], "0shot": [bare]}, repeats=[0, 1])
    support = "<a.png>This is a coat\n<b.png>This is a jacket\n"
    query = "<q.png>Q: What kind of a coat is that? A:"
    assert first_prompts(vqa) == {
        "2way": support + query,
        "2way-repeats1": support * 2 + query,
        "0shot": "<q.png>Q: What is on the dax? A:",
    }


def test_a_whole_sentence_is_matched_after_normalising():
    vqa = EpisodeVQA({"2way": [episode("coat", "jacket")]})
    answers = {
        "sentence": answer("that is blue coat", name="That is a blue coat."),
        "word": answer("blue", name="That is a blue coat."),
    }
    assert vqa.score(vqa.settings()[0], answers).scores["overall"] == 50
    assert [vqa.right(each) for each in answers.values()] == [1, 0]


def test_only_the_query_is_worded_by_the_template():
    own = Template(query="{image}{question}?", target=" {target}", separator=" | ")
    (prompt,) = first_prompts(
        EpisodeVQA({"2way": [episode("coat", "jacket", question="What")]}, template=own)
    ).values()
    assert prompt == "<a.png>This is a coat | <b.png>This is a jacket | <q.png>What?"


def test_answers_stop_at_a_line_or_question_and_have_a_row_in_vqa_results():
    vqa = EpisodeVQA({"2way": [episode("coat", "jacket", answer="coat", key="7")]}, max_new_tokens=3)
    assert (vqa.ask.stop, vqa.ask.max_new_tokens) == (("\n", "Q:"), 3)
    (setting,) = vqa.settings()
    query = vqa.queries(setting)[0]
    assert (query.id, query.references, query.image.name, query.candidates) == ("7", ("coat",), "q.png", ())
    assert "matched exactly" in setting.provenance["normalisation"]
    assert vqa.official({"7": "a coat"}) == [{"question_id": 7, "answer": "a coat"}]


@pytest.mark.data
def test_the_prompt_of_the_published_demonstration(data):
    official = data / "frozen_bench" / "official"
    guided = FrozenBenchmark(
        str(official / "guided_vqa_two_demo_questions.json"), str(official / "demo_images")
    )
    assert first_prompts(EpisodeVQA({"2way-1shot": guided})) == {
        "2way-1shot": "<gvqa_1_1.jpg>This is a coat\n<gvqa_1_2.jpg>This is a jacket\n"
        "<gvqa_1_3.jpg>Q: What kind of a coat is that? A:"
    }
