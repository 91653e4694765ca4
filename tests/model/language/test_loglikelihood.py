"""Log-likelihood of candidate texts after a prompt."""

import pytest
from samples import BLUE, RED, SUPPORT, WIDE, join
from sequences import LENGTHS, rows

from frozenvl.model import forward, generation
from frozenvl.model.language.loglikelihood import likelihoods
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "bloom"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("positions", [4096, 60])
def test_candidate_scores_equal_scores_of_prompt_and_candidate(
    build, processor_of, kind, after, positions, monkeypatch
):
    model = build(kind)
    processor = processor_of(model)
    for module in (forward, generation):
        monkeypatch.setattr(module, "MAX_POSITIONS_PER_PASS", positions)
    prompts = [(RED, "This is a"), (BLUE, "what color"), (WIDE,)]
    candidates = [[" dax", " blicket and a circle", ""], [" red"], ["a child", "yes", "no", "three stairs"]]
    shared = model.prefill(processor, SUPPORT) if after else None
    ranked = model.rank_candidates(processor, prompts, candidates, prompt_cache=shared)
    assert [len(row) for row in ranked] == [3, 1, 4]
    for prompt, texts, row in zip(prompts, candidates, ranked, strict=True):
        whole = join(SUPPORT, prompt) if after else prompt
        for text, (logp, tokens, end, greedy) in zip(texts, row, strict=True):
            ids = [*processor.encode(text), processor.end]
            assert tokens == len(ids)
            batch = processor([(*whole, text)])
            states = model.language.model(inputs_embeds=model.embeddings(batch, model.run(batch).prefix))
            last = states.logits[0, -1].log_softmax(-1)[processor.end].item()
            assert end == pytest.approx(last, rel=1e-5, abs=1e-4)
            likeliest = states.logits[0, -len(ids) : -1].argmax(-1).tolist()
            assert greedy == (likeliest == ids[:-1])
            if text:
                expected = model.score(processor([Sample("1", whole, text)])).item()
                assert logp == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_an_empty_candidate_is_the_end_token(build, processor_of):
    model = build()
    processor = processor_of(model)
    (((logp, tokens, end, greedy),),) = model.rank_candidates(processor, [(RED, "a")], [[""]])
    batch = processor([(RED, "a")])
    logits = model.language.model(inputs_embeds=model.embeddings(batch, model.run(batch).prefix)).logits[
        0, -1
    ]
    assert (
        greedy
        and tokens == 1
        and logp == end == pytest.approx(logits.log_softmax(-1)[processor.end].item(), abs=1e-5)
    )
    assert (
        model.rank_candidates(processor, [(RED,)], [[]]) == [[]]
        and model.rank_candidates(processor, [], []) == []
    )


def test_the_text_that_greedy_decoding_writes_is_greedy(build, processor_of):
    model = build()
    processor = processor_of(model)
    prompts = [(RED, text) for text in ("This is a", "what color", "a large", "three", "Question: a", "star")]
    written = model.generate(processor(prompts), processor, max_new_tokens=1)
    ranked = model.rank_candidates(processor, prompts, [[text, text + " red"] for text in written])
    for text, (one, longer) in zip(written, ranked, strict=True):
        # A lone byte is decoded to another text.
        assert one.greedy == ("\N{REPLACEMENT CHARACTER}" not in text) and not longer.greedy
    assert any(one.greedy for one, _ in ranked)


def test_candidates_are_not_truncated(build, processor_of):
    model = build()
    processor = processor_of(model)
    processor.max_target_tokens = 2
    ((ranked,),) = model.rank_candidates(processor, [(RED,)], [["a large red circle"]])
    assert ranked.tokens == len(processor.encode("a large red circle")) + 1
    with pytest.raises(UserError, match="across the border of prompt and target"):
        model.rank_candidates(processor, [("the answer is a ",)], [["large red circle"]])


def test_candidates_are_scored_a_few_at_a_time(language, monkeypatch):
    model = language("llama")
    embeddings, _ = rows(model)
    past = model.read(embeddings, LENGTHS)
    texts = [(0, [5]), (3, [7, 8, 9]), (0, [1, 2]), (2, [4, 4, 4, 4]), (1, [9])]
    widths: list[int] = []
    hidden = model.hidden
    monkeypatch.setattr(model, "hidden", lambda x, *rest: widths.append(len(x)) or hidden(x, *rest))
    whole = likelihoods(model, past, texts, positions=10_000)
    assert widths == [5]
    pieces = likelihoods(model, past, texts, positions=2 * (13 + 4))
    assert widths == [5, 2, 2]  # the last candidate has one token, which is predicted but not an input
    assert [each.tokens for each in whole] == [len(tokens) for _, tokens in texts]
    assert [each.logp for each in pieces] == pytest.approx([each.logp for each in whole], rel=1e-5)
    first = model.head(past.hidden[0]).log_softmax(-1)[5].item()
    assert whole[0].logp == pytest.approx(first, rel=1e-5)
    assert likelihoods(model, past, [], positions=10) == []
