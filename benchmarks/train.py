"""How fast a visual prefix is trained here, beside a plain loop and `transformers.Trainer`, in one run.

`python benchmarks/train.py DATA` trains on the captions of DATA/flickr8k (without DATA, on those of rendered scenes,
which are all of like length). It needs the small language model of `frozenvl fetch`; images are rows of drawn numbers
in place of an encoder's features, since those are computed once and kept. All sides are given the same samples,
weights, data type and threads, and take turns of some steps (the Trainer comes last); tables are printed in Markdown.

- plain: prompts padded to the longest, all logits, one cross-entropy: as ClipCap and most others write it.
- Trainer: the same model and loss under `transformers.Trainer`.
- compiled: as here, with `model.compile`.
- share of the peak: 4 operations for each weight and each position that it has to meet (forward, and back to the
  inputs), over what the largest matrix products alone do in that time.

`--memory`: what a step takes. `--equal`: how far losses and gradients are apart at the start; `--along`: at each step,
both at the same weights. `--grow PNG`: the cost of a step as
batch, k and captions grow. `--curve PNG`: both ways' losses over 200 steps. `--profile`: which operators take the time.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from training_ways import LANGUAGE, Way, build, captions, here, plain, processor, train, under_trainer

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.activation_checkpointing import checkpoint_layers
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.prompt import Sample
from frozenvl.training.callbacks.throughput import Work, matrix_peak, operations
from frozenvl.util.allocator import keep_freed_memory
from frozenvl.util.progress import progress_line

TURN = 4
"""Steps that a way takes in a row. The first is not counted: it finds the processor's caches full of another's."""
WAYS: dict[str, Way] = {"plain": plain, "here": here}
CHECKPOINTED = "checkpointed"
"""As here, with `model.checkpointing`."""


def work(batch: Batch) -> Work:
    return Work(int((batch.labels != IGNORE).sum()), int(batch.lengths.sum()))


def timed(steps: Iterator[float]) -> Iterator[float]:
    """Seconds of each step."""
    while True:
        start = time.perf_counter()
        if next(steps, None) is None:
            return
        yield time.perf_counter() - start


def compare(asked: argparse.Namespace) -> None:
    half = asked.precision == "bf16"
    dtype = torch.bfloat16 if half else torch.float32
    peak = matrix_peak(torch.device("cpu"), dtype)
    print(f"batch {asked.batch}, {asked.precision}, threads: {torch.get_num_threads()}", end=", ")
    print(f"{asked.steps} steps, matrix products alone: {peak / 1e9:.0f} GFLOP/s\n")
    print("| k | | pairs/s | s a step (median) | share of the peak | beside plain |")
    print("|---|---|---|---|---|---|")
    batches = captions(asked.data, asked.batch, asked.steps)
    language = FrozenLanguageModel(LANGUAGE)
    ways = WAYS | ({"compiled": here} if asked.compiled else {})
    for k in asked.k:
        make = processor(k)
        needed = statistics.mean(operations(language, work(make(rows))) for rows in batches)
        models = {name: build(k, half, name == "compiled") for name in ways}
        runs = {name: timed(train(models[name], way, map(make, batches))) for name, way in ways.items()}
        took: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(0, asked.steps, TURN):
            for name, run in runs.items():
                took[name] += [next(run) for _ in range(TURN)][1:]
        took["Trainer"] = under_trainer(build(k, half), batches, make)[1:]
        # The median, since other processes disturb single steps.
        median = {name: statistics.median(seconds) for name, seconds in took.items()}
        for name, second in median.items():
            cells = [k, name, f"{asked.batch / second:.1f}", f"{second:.2f}", f"{needed / peak / second:.2f}"]
            print("|", " | ".join(map(str, cells)), f"| {median['plain'] / second:.2f} |", flush=True)


def gradients(model: FrozenVL, way: Way, batch: Batch) -> tuple[float, Tensor]:
    """The loss, and its gradient at the mapper's weights."""
    model.zero_grad()
    loss = way(model, batch)
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten().double() for p in model.mapper.parameters()])  # type: ignore[union-attr]


def equal(asked: argparse.Namespace) -> None:
    """Both ways in both data types, beside the plain way in fp64."""
    (rows,) = captions(asked.data, asked.batch, 1)
    batch = processor(4)(rows)
    loss, gradient = gradients(build(4, half=False).double(), plain, batch)
    print(
        "| beside plain in fp64 | loss, relative | gradient, norm of the difference | cosine |\n|---|---|---|---|"
    )
    for precision, (name, way) in itertools.product(("fp32", "bf16"), WAYS.items()):
        found = gradients(build(4, precision == "bf16"), way, batch)
        apart = (found[1] - gradient).norm() / gradient.norm()
        cosine = nn.functional.cosine_similarity(found[1], gradient, dim=0)
        cells = [f"{name}, {precision}", f"{abs(found[0] / loss - 1):.1e}", f"{apart:.1e}", f"{cosine:.3f}"]
        print("|", " | ".join(cells), "|", flush=True)


def along(asked: argparse.Namespace) -> None:
    """How far the ways' losses and gradients are apart at each step, at the weights that one of them has led to."""
    (k,) = asked.k[:1]
    model = build(k, asked.precision == "bf16")
    worst = [0.0, 0.0]
    seen = []

    def both(model: FrozenVL, batch: Batch) -> Tensor:
        theirs, mine = gradients(model, plain, batch), gradients(model, here, batch)
        seen.append(float(theirs[1].norm()))
        worst[0] = max(worst[0], abs(mine[0] / theirs[0] - 1))
        worst[1] = max(worst[1], float((mine[1] - theirs[1]).norm() / theirs[1].norm()))
        model.zero_grad()
        return here(model, batch)

    batches = list(map(processor(k), captions(asked.data, asked.batch, asked.steps)))
    for _ in train(model, both, batches):
        pass
    print(f"{len(seen)} steps of {asked.batch}, k = {k}, {asked.precision}; gradients of norm", end=" ")
    print(f"{min(seen):.3g} to {max(seen):.3g}; at most apart: loss {worst[0]:.1e}, gradient {worst[1]:.1e}")


def resident(peak: bool) -> int:
    """Memory of this process in MB, now or at its peak since that was set back (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:" if peak else "VmRSS:")[1].split()[0]) >> 10


def memory_of(asked: argparse.Namespace) -> None:
    """Prints what a step takes beside what stood there before, in MB."""
    (k,) = asked.k
    model, (rows,) = build(k, asked.precision == "bf16"), captions(asked.data, asked.batch, 1)
    if asked.memory_of == CHECKPOINTED:
        checkpoint_layers(model.language)
    batch = processor(k)(rows)
    ctypes.CDLL(None).malloc_trim(0)
    before = resident(peak=False)
    Path("/proc/self/clear_refs").write_text("5")
    list(train(model, WAYS.get(asked.memory_of, here), [batch]))
    print(resident(peak=True) - before)


def memory(asked: argparse.Namespace) -> None:
    """A process for each: memory that one way freed would serve the other."""
    ways = (*WAYS, CHECKPOINTED)
    print("| k |", ", MB | ".join(ways) + ", MB | here beside plain |\n|---|---|---|---|---|")
    for k in asked.k:
        command = [sys.executable, __file__, *([str(asked.data)] if asked.data else []), "--k", str(k)]
        command += ["--batch", str(asked.batch), "--precision", asked.precision, "--memory-of"]
        took = {
            name: int(subprocess.run([*command, name], check=True, capture_output=True, text=True).stdout)
            for name in ways
        }
        cells = [k, *took.values(), f"{took['here'] / took['plain']:.2f}"]
        print("|", " | ".join(map(str, cells)), "|", flush=True)


def of_length(rows: list[Sample], tokens: int) -> list[Sample]:
    """The samples with captions so long that all are cut to as many tokens."""
    words = " ".join(sample.target for sample in rows)
    return [Sample(row.id, row.prompt, words[at * 7 :][: 12 * tokens]) for at, row in enumerate(rows)]


def grow(asked: argparse.Namespace) -> None:
    """Seconds of a step against its real positions, as each of three sizes grows."""
    (rows,) = captions(asked.data, 256, 1)
    half = asked.precision == "bf16"
    series = {
        "batch 8 to 256": [(size, 4, 64, rows[:size]) for size in (8, 16, 32, 64, 128, 256)],
        "k 1 to 64": [(64, k, 64, rows[:64]) for k in (1, 2, 4, 8, 16, 32, 64)],
        "captions of 10 to 100 tokens": [(64, 4, n, of_length(rows[:64], n)) for n in (10, 20, 40, 70, 100)],
    }
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    done, total = 0, sum(map(len, series.values()))
    print("| | batch | k | real positions | s a step | µs a position |\n|---|---|---|---|---|---|")
    with progress_line("sizes", sys.stderr.isatty()) as progress:
        for name, points in series.items():
            places = []
            for size, k, longest, samples in points:
                batch = processor(k, longest)(samples)
                second = statistics.median(list(timed(train(build(k, half), here, [batch] * 4)))[1:])
                positions = work(batch).positions
                places.append((positions, second))
                cells = [name, size, k, positions, f"{second:.2f}", f"{second / positions * 1e6:.0f}"]
                print("|", " | ".join(map(str, cells)), "|", flush=True)
                done += 1
                progress(done, total)
            axes.plot(*zip(*places, strict=True), marker=".", label=name)
    axes.set(xlabel="real positions", ylabel="seconds a step", xlim=(0, None), ylim=(0, None))
    axes.legend()
    figure.savefig(asked.grow, dpi=100)


def curve(asked: argparse.Namespace) -> None:
    """The losses of both ways from the same start, over the same batches."""
    (k,) = asked.k[:1]
    batches = captions(asked.data, asked.batch, 200)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes, losses = figure.subplots(), {}
    for name, way in WAYS.items():
        with progress_line(name, sys.stderr.isatty()) as progress:
            losses[name] = []
            for loss in train(build(k, asked.precision == "bf16"), way, map(processor(k), batches)):
                losses[name].append(loss)
                progress(len(losses[name]), len(batches))
        axes.plot(
            range(1, len(batches) + 1), losses[name], label=name, lw=1, ls="-" if name == "here" else "--"
        )
    apart = [abs(one / two - 1) for one, two in zip(*losses.values(), strict=True)]
    print(
        f"losses of 200 steps, {asked.precision}: apart by {statistics.mean(apart):.1e} on average,", end=" "
    )
    print(f"{max(apart):.1e} at most; means of the last 50:", end=" ")
    print(", ".join(f"{name} {statistics.mean(values[-50:]):.4f}" for name, values in losses.items()))
    axes.set(xlabel="optimiser step", ylabel="loss (nats a token)")
    axes.legend()
    figure.savefig(asked.curve, dpi=100)


def profile(asked: argparse.Namespace) -> None:
    """Milliseconds that operators take of a step: their own, without those that they call."""
    (k,) = asked.k[:1]
    batches = list(map(processor(k), captions(asked.data, asked.batch, 6)))
    spent: dict[str, Counter[str]] = {}
    for name, way in WAYS.items():
        steps = train(build(k, asked.precision == "bf16"), way, batches)
        for _ in batches[:3]:
            next(steps)
        with torch.profiler.profile() as found:
            rest = list(steps)
        spent[name] = Counter({row.key: row.self_cpu_time_total / len(rest) for row in found.key_averages()})
    first, second = spent.values()
    print("| operator | " + " | ".join(spent) + " |\n|---|---|---|")
    shown = [key for key, _ in (first | second).most_common(14)]
    for key in shown:
        print(f"| `{key.removeprefix('aten::')}` | {first[key] / 1e3:.0f} | {second[key] / 1e3:.0f} |")
    others = [sum(way.values()) - sum(way[key] for key in shown) for way in (first, second)]
    print("| all others |", " | ".join(f"{other / 1e3:.0f}" for other in others), "|")
    print("| sum, ms |", " | ".join(f"{sum(way.values()) / 1e3:.0f}" for way in (first, second)), "|")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, nargs="?", metavar="DATA")
    options.add_argument("--k", type=int, nargs="+", default=[4, 16])
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--steps", type=int, default=16, help=f"a multiple of {TURN}")
    options.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    options.add_argument("--compiled", action="store_true", help="also with model.compile")
    options.add_argument("--memory", action="store_true")
    options.add_argument("--memory-of", choices=(*WAYS, CHECKPOINTED), help=argparse.SUPPRESS)
    options.add_argument("--equal", action="store_true")
    options.add_argument("--along", action="store_true")
    options.add_argument("--profile", action="store_true")
    options.add_argument("--grow", type=Path, metavar="PNG")
    options.add_argument("--curve", type=Path, metavar="PNG")
    asked = options.parse_args()
    if asked.steps < TURN or asked.steps % TURN:
        options.error(f"--steps {asked.steps}: it has to be a multiple of {TURN}")
    if asked.memory_of:
        return memory_of(asked)
    if asked.memory:
        return memory(asked)
    keep_freed_memory()
    for wanted in (equal, along, profile, grow, curve):
        if getattr(asked, wanted.__name__):
            return wanted(asked)
    return compare(asked)


if __name__ == "__main__":
    main()
