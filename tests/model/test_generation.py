"""Generation: stop texts, end tokens, beams and samples of a whole model."""

import pytest
from samples import SAMPLES

from frozenvl.model.language.decoding import greedy


def test_generating_for_an_empty_batch_returns_no_texts(build, processor_of):
    model = build()
    processor = processor_of(model)
    assert model.generate(processor([]), processor) == []


def test_stop_texts_end_each_text_separately(build, processor_of):
    model = build()
    processor = processor_of(model)
    batch = processor([sample.prompt for sample in SAMPLES])
    inputs = model.embeddings(batch, model.run(batch).prefix)
    ids = greedy(model.language, inputs, batch.lengths, 10, lambda ids: False, {processor.end})
    full = [processor.decode(row) for row in ids]
    marker = processor.decode(ids[0][3:4])
    assert marker.isprintable()
    stopped = model.generate(batch, processor, 10, stop=("no such text", marker))
    for row, text in zip(ids, stopped, strict=True):
        starts = [processor.decode(row[: n + 1]) for n in range(len(row))]
        assert text == next((start for start in starts if marker in start), starts[-1])
    assert stopped[0] != full[0] and full[0].startswith(stopped[0])


@pytest.mark.parametrize("options", [{}, {"do_sample": True, "top_k": 1}])
def test_the_models_own_end_tokens_end_a_text(build, processor_of, options):
    """Chat models end a turn with another token than their tokeniser's end token."""
    model = build()
    processor = processor_of(model)
    batch = processor([sample.prompt for sample in SAMPLES])
    inputs = model.embeddings(batch, model.run(batch).prefix)
    ids = greedy(model.language, inputs, batch.lengths, 10, lambda ids: False, {processor.end})
    turn = ids[0][3]
    model.language.end_tokens |= {turn}
    ended = 0
    for row, continuation in zip(ids, model.continuations(batch, processor, 10, **options), strict=True):
        cut = row[: row.index(turn)] if turn in row else row
        assert continuation.text == processor.decode(cut) and continuation.ended == (len(cut) < 10)
        ended += turn in row
    assert ended


def test_beam_search_and_sampling(build, processor_of):
    model = build("gpt2")
    processor = processor_of(model)
    batch = processor([sample.prompt for sample in SAMPLES])
    greedy = model.generate(batch, processor, 6)
    beams = model.generate(batch, processor, 6, num_beams=4)
    sampled = model.generate(batch, processor, 6, do_sample=True, top_k=1)
    assert sampled == greedy != beams
    alone = [model.generate(processor([sample.prompt]), processor, 6, num_beams=4)[0] for sample in SAMPLES]
    assert beams == alone
