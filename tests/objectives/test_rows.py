"""Rows that objectives request for samples, as one batch."""

from __future__ import annotations

import torch
from own_objective import Alignment

from frozenvl.model.batch import Batch
from frozenvl.model.processor import Pixels, Processor
from frozenvl.objectives import Captioning
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.prompt import BlackImage, Sample


def empty_batch() -> Batch:
    empty = torch.empty(0)
    return Batch((), empty, empty, empty, empty, empty)


def test_rows_requested_by_two_objectives_are_in_the_batch_once():
    wanted = []
    rows = ObjectiveRows(
        lambda samples: wanted.extend(samples) or empty_batch(), {"a": Captioning(), "b": Alignment()}
    )
    samples = [Sample("1", ("x",), " y"), Sample("1", ("x",), " y")]
    batch = rows(samples)
    assert [sample.id for sample in wanted] == ["1", "1", "1/text", "1/text"]
    assert batch.rows_of == {"a": (0, 1), "b": (0, 2, 1, 3)} and batch.samples == ("1", "1")


def test_a_single_objective_on_unchanged_samples_has_no_row_indices():
    wanted = []
    rows = ObjectiveRows(lambda samples: wanted.append(list(samples)) or empty_batch(), {"a": Captioning()})
    samples = [Sample("1", ("x",), " y"), Sample("2", ("x",), " y")]
    assert rows(samples).rows_of == {} and wanted == [samples]


def test_a_single_objective_has_row_indices_if_it_reorders_rows():
    batch = ObjectiveRows(lambda samples: empty_batch(), {"b": Alignment()})(
        [Sample("1", (), "y"), Sample("2", (), "z")]
    )
    assert batch.rows_of == {}  # rows are in the order of the first request
    reordered = Alignment()
    reordered.rows = lambda sample: (Sample("shared", (), ""), sample)
    assert ObjectiveRows(lambda samples: empty_batch(), {"b": reordered, "a": Captioning()})(
        [Sample("1", (), "y")]
    ).rows_of == {"b": (0, 1), "a": (1,)}


def test_a_sample_has_rows_of_its_own_objectives_alone():
    wanted = []
    rows = ObjectiveRows(
        lambda samples: wanted.extend(samples) or empty_batch(), {"a": Captioning(), "b": Alignment()}
    )
    samples = [
        Sample("1", ("x",), " y", ("b",)),
        Sample("2", ("x",), " y"),
        Sample("3", ("x",), " y", ("a",)),
    ]
    batch = rows(samples)
    assert [sample.id for sample in wanted] == ["2", "3", "1", "1/text", "2/text"]
    assert batch.rows_of == {"a": (0, 1), "b": (2, 3, 0, 4)}


class Apart(Captioning):
    """Captioning with a batch of its own."""

    separate = True

    def rows(self, sample: Sample) -> tuple[Sample, ...]:
        return sample, Sample(f"{sample.id}/short", (sample.prompt[0],))


def test_a_separate_objective_has_a_batch_of_its_own_over_the_same_images(tiny_language):
    process = Processor(str(tiny_language), 2, Pixels(64))
    samples = [Sample(str(i), (BlackImage(64, name=f"i{i}"),), " two stars" * (i + 1)) for i in range(2)]
    both = ObjectiveRows(process, {"apart": Apart(), "captions": Captioning()})(samples)
    assert both.ids == ("0", "1") and both.rows_of == {} and both.samples == ("0", "1")
    apart = both.separate["apart"]
    assert apart.ids == ("0", "0/short", "1", "1/short") and not apart.images.numel()
    assert apart.tokens.shape[1] == apart.lengths.max() and both.tokens.shape[1] == both.lengths.max()
    assert torch.equal(both.of("apart").images, both.images) and len(both.images) == 2
    moved = both.to("cpu")
    assert torch.equal(moved.separate["apart"].tokens, apart.tokens)
    alone = ObjectiveRows(process, {"apart": Apart()})(samples)
    assert len(alone) == 0 and len(alone.images) == 2 and alone.separate["apart"].ids == apart.ids


def test_common_rows_are_in_a_batch_once_in_front_of_those_of_samples():
    wanted = []
    near = Alignment()
    near.common_rows = lambda: (Sample("a label", ("red",)), Sample("b label", ("blue",)))
    rows = ObjectiveRows(
        lambda samples: wanted.extend(samples) or empty_batch(), {"a": Captioning(), "b": near}
    )
    batch = rows([Sample("1", ("x",), " y"), Sample("2", ("x",), " z")])
    assert [sample.id for sample in wanted] == ["1", "2", "a label", "b label", "1/text", "2/text"]
    assert batch.rows_of == {"a": (0, 1), "b": (2, 3, 0, 4, 1, 5)}
