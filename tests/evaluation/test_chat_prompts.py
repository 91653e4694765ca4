"""Benchmarks whose prompts are worded by the language model's chat template."""

from __future__ import annotations

import json

import pytest
from suites import POOL, QUESTIONS, rows_of, toy
from toy import Rows, question

from frozenvl.evaluation import FewShotVQA, Fixed
from frozenvl.evaluation.suite import check_suite, run_suite, session_of
from frozenvl.prompt import BlackImage, Image, without_images
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

CHAT = Template(query="{image}{question}", chat=True)


@pytest.mark.parametrize("induction", ["", "Answer with one word."])
@pytest.mark.parametrize("shots", [0, 2])
def test_texts_are_those_of_whole_prompts_in_all_views(chatting, tmp_path, shots, induction):
    """The support and the system message are read once for all queries."""
    benchmark = FewShotVQA(
        source=QUESTIONS, pool=POOL, shots=[shots], way=Fixed(), induction=[induction],
        template=CHAT, max_new_tokens=6,
    )  # fmt: skip
    session = session_of(chatting, tmp_path, ["seeing", "test-blind", "text-only"], 2, None)
    suite = toy(vqa=benchmark)
    check_suite(suite, session)
    run_suite(suite, session)
    (setting,) = benchmark.settings()
    assert any(cache is not None for cache in session.prompt_caches.values())
    changes = {
        "": lambda prompt: prompt,
        "-test-blind": lambda prompt: tuple(BlackImage() if isinstance(x, Image) else x for x in prompt),
        "-text-only": without_images,
    }
    model, processor, texts = chatting.module.model, chatting.processor, set()
    for suffix, change in changes.items():
        found = rows_of(tmp_path / f"vqa-{setting.name}{suffix}")
        for index in range(5):
            query = benchmark.queries(setting)[index]
            expected = model.generate(processor([change(query.prompt)]), processor, 6, ())
            assert [found[query.id]["generated"]] == expected
            texts.add(expected[0])
        score = json.loads((tmp_path / f"vqa-{setting.name}{suffix}" / "score.json").read_text())
        assert (
            score["provenance"]["template"]["chat"] is True and score["provenance"]["template"]["stop"] == []
        )
    assert len(texts) > 2
    words = processor.decode(processor([benchmark.queries(setting)[0].prompt]).tokens[0].tolist())
    assert words.count("assistant:") == shots + 1 and ("system: Answer" in words) == bool(induction)


def test_candidates_are_ranked_as_replies(chatting, tmp_path):
    choosing = Rows(*(question(n, answer="red", choices=("red", "a large red circle")) for n in range(4)))
    benchmark = FewShotVQA(source=choosing, pool=POOL, shots=[1], choose="sum", template=CHAT)
    session = session_of(chatting, tmp_path, ["seeing"], 2, None)
    suite = toy(vqa=benchmark)
    check_suite(suite, session)
    run_suite(suite, session)
    (setting,) = benchmark.settings()
    model, processor = chatting.module.model, chatting.processor
    found = rows_of(tmp_path / f"vqa-{setting.name}")
    for index in range(4):
        query = benchmark.queries(setting)[index]
        (ranked,) = model.rank_candidates(processor, [query.prompt], [query.candidates])
        best = max(range(2), key=lambda n: ranked[n].logp)
        assert found[query.id]["generated"] == query.candidates[best]


def test_a_benchmark_that_chats_without_a_chat_template_is_refused_before_it_starts(tiny_trained, tmp_path):
    benchmark = FewShotVQA(source=QUESTIONS, pool=POOL, shots=[0], template=CHAT)
    session = session_of(tiny_trained, tmp_path, ["seeing"], 2, None)
    with pytest.raises(UserError, match=r"has no chat template; leave template\.chat out"):
        check_suite(toy(vqa=benchmark), session)
