"""The metrics under torch.distributed: real processes, strings gathered, each sample counted once."""

import multiprocessing
import random
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist

from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.distributed import CaptionMetric, NamingMetric, SoftScoreMetric, VQAMetric
from frozenvl.util.errors import UserError

DRAW = random.Random(0)
REFERENCES = {f"{i:02}": [" ".join(DRAW.choices("abcdefg", k=7)) for _ in range(3)] for i in range(13)}
CANDIDATES = {image: " ".join(DRAW.choices("abcdefg", k=6)) for image in REFERENCES}
ANSWERS = {image: ["a", "b", "a", "c"] for image in REFERENCES}
PREDICTED = {image: caption[0] for image, caption in CANDIDATES.items()}


def share(everything: dict, rank: int, world: int) -> dict:
    """As a padding sampler deals: the first samples are repeated until the ranks have equally many."""
    samples = list(everything)
    padded = samples + samples[: -len(samples) % world]
    return {sample: everything[sample] for sample in padded[rank::world]}


def on_rank(rank: int, store: str, queue) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=3, timeout=timedelta(seconds=60)
    )
    pair = dist.new_group([0, 1])
    for world, group in ((3, None), (2, pair)):
        if rank < world:
            captions = CaptionMetric(REFERENCES, process_group=group)
            vqa = VQAMetric(ANSWERS, process_group=group)
            for sample, caption in share(CANDIDATES, rank, world).items():
                captions.update({sample: caption})
            vqa.update(share(PREDICTED, rank, world))
            queue.put(
                (world, rank, captions.compute().scores, vqa.compute().scores, len(captions.predictions))
            )
    # A rank may have nothing at all.
    uneven = CaptionMetric(REFERENCES)
    if rank == 1:
        uneven.update(CANDIDATES)
    queue.put(("uneven", rank, uneven.compute().scores, None, len(uneven.predictions)))
    # Two ranks that decoded a sample differently.
    torn = VQAMetric(ANSWERS)
    torn.update(PREDICTED | {"00": f"answer of rank {rank}"})
    try:
        torn.compute()
        queue.put(("torn", rank, None, None, 0))
    except UserError as error:
        queue.put(("torn", rank, str(error), None, 0))
    dist.destroy_process_group()


def test_the_same_number_on_one_two_and_three_ranks(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=on_rank, args=(r, str(tmp_path / "store"), queue)) for r in range(3)]
    for process in processes:
        process.start()
    try:
        reports = [queue.get(timeout=90) for _ in range(3 + 2 + 3 + 3)]
    finally:
        for process in processes:
            process.join(timeout=10)
            process.kill()
    captions, vqa = CaptionMetric(REFERENCES), VQAMetric(ANSWERS)
    captions.update(CANDIDATES)
    vqa.update(PREDICTED)
    alone, answered = captions.compute().scores, vqa.compute().scores
    assert alone == caption_scores(CANDIDATES, REFERENCES).scores
    for world, rank, scores, accuracies, kept in reports:
        if world == "torn":
            assert "two different outputs" in scores
            continue
        assert scores == alone, (world, rank)
        if world in (2, 3):
            assert accuracies == answered
            assert kept == len(share(CANDIDATES, rank, world))  # after compute, a rank has its own again


def test_repeats_count_once_and_reset_forgets():
    metric = VQAMetric(ANSWERS, partial=True)
    for _ in range(3):
        metric.update({"00": "a"})
    metric.update({"01": "z"})
    once = VQAMetric(ANSWERS, partial=True)
    once.update({"00": "a", "01": "z"})
    assert metric.compute().scores == once.compute().scores
    metric.reset()
    metric.update({"02": "z"})
    assert metric.compute().per_question == {"02": 0}


def test_a_sample_with_two_outputs():
    metric = CaptionMetric(REFERENCES)
    metric.update({"00": "a"})
    with pytest.raises(UserError, match="two different outputs"):
        metric.update({"00": "b"})


def test_soft_and_naming():
    soft = SoftScoreMetric({"1": {"row": 1.0, "boat": 0.6}})
    soft.update({"1": "boat"})
    assert soft.compute().scores["overall"] == pytest.approx(60)
    naming = NamingMetric({"1": "dax", "2": "dax"})
    naming.update({"1": ("dax", True), "2": ("dax\n", False)})
    found = naming.compute()
    assert (found["strict"].scores["overall"], found["first_phrase"].scores["overall"]) == (50, 100)
