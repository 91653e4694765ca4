"""Small real model: predictions do not depend on the number of ranks, nor in fp32 on the batch size."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from frozenvl.data.sources.scenes import SceneEpisodes, SceneQuestions
from frozenvl.evaluation import FewShotVQA, Fixed, Naming
from frozenvl.evaluation.session import Session
from frozenvl.evaluation.suite import run_suite
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision import TimmEncoder
from frozenvl.pretrained.names import resolve
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json

pytestmark = pytest.mark.real

try:  # on import, before other tests set FROZENVL_HOME
    LANGUAGE, VISION = (str(resolve(name)) for name in ("SmolLM2-135M-Instruct", "EfficientNet-Lite0"))
except UserError as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.fixture(scope="module")
def model():
    """Function that returns a model with real weights and a random mapper: precision → model."""

    @cache
    def build(precision: str) -> FrozenVL:
        torch.manual_seed(0)
        made = FrozenVL(FrozenLanguageModel(LANGUAGE), TimmEncoder(VISION), Linear, 2).eval()
        if precision == "bf16":
            made.hold_frozen_in_bf16()
        return made

    return build


def suite() -> dict:
    source, pool = SceneQuestions("val", 6), SceneQuestions("train", 40)
    made = {
        "vqa": FewShotVQA(source=source, pool=pool, shots=[2], max_new_tokens=5),
        "fixed": FewShotVQA(source=source, pool=pool, shots=[2], way=Fixed(), max_new_tokens=5),
        "naming": Naming({"2way": SceneEpisodes(4)}, choose="mean", induction=[""]),
    }
    for name, benchmark in made.items():
        benchmark.name = name
        benchmark.bind({}, {})
        benchmark.prepare(False)
    return made


def session_in(model: FrozenVL, folder: Path, batch_size: int) -> Session:
    processor = Processor(LANGUAGE, 2, Pixels(model.vision.size))
    return Session(model, processor, folder, {"blind": False}, 0, batch_size)


def generated_texts(folder: Path) -> dict[str, str]:
    return {
        f"{file.parent.name}/{row['id']}": row["generated"]
        for file in sorted(folder.glob("*/predictions.jsonl"))
        for row in read_json(file)
    }


def run(model: FrozenVL, folder: Path, batch_size: int, ranks: int = 1) -> dict[str, str]:
    from lightning.fabric import Fabric

    benchmarks, session = suite(), session_in(model, folder, batch_size)
    fabric = Fabric(accelerator="cpu", devices=ranks, strategy="ddp_fork" if ranks > 1 else "auto")
    fabric.launch(
        lambda f: run_suite(benchmarks, replace(session, rank=f.global_rank, world_size=f.world_size))
    )
    return generated_texts(folder)


@pytest.mark.nightly
def test_two_ranks_give_the_same_results_as_one_in_bf16(model, tmp_path):
    one = run(model("bf16"), tmp_path / "1", 4)
    assert run(model("bf16"), tmp_path / "2", 4, ranks=2) == one
    files = [file.relative_to(tmp_path / "1") for file in (tmp_path / "1").glob("*/*.json*")]
    assert files and all(
        (tmp_path / "1" / f).read_bytes() == (tmp_path / "2" / f).read_bytes() for f in files
    )
    assert len(set(one.values())) > 5


@pytest.mark.nightly
def test_batch_size_changes_no_text_in_fp32_and_few_in_bf16(model, tmp_path):
    alone, together = (run(model("fp32"), tmp_path / f"fp32-{size}", size) for size in (1, 32))
    assert alone == together
    alone, together = (run(model("bf16"), tmp_path / f"bf16-{size}", size) for size in (1, 32))
    flips = [key for key in alone if alone[key] != together[key]]
    print(f"bf16, batch 1 and 32: {len(flips)} of {len(alone)} answers differ")
    assert len(flips) < len(alone) / 2
