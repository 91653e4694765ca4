"""Benchmarks the training of a visual prefix: frozenvl, a plain loop and `transformers.Trainer` in one run.

`python benchmarks/train.py DATA` trains on the captions of DATA/flickr8k (without DATA, on captions of rendered scenes,
which have similar lengths). It needs the small language model of `frozenvl fetch`. Random features replace an encoder,
because frozenvl computes features once and caches them. All sides have the same samples, weights, data type and
threads, and take turns of some steps (the Trainer comes last). It prints tables in Markdown.

- plain: prompts padded to the longest, all logits, one cross-entropy, as in ClipCap and most other code.
- Trainer: the same model and loss under `transformers.Trainer`.
- compiled: frozenvl with `model.compile`.
- share of the peak: operations per second of a step, relative to the largest matrix products alone. A step has 4
  operations for each weight and each position that it is applied to (forward pass, and backward pass to the inputs).
- share of its shapes: time that the step's own matrix products take alone, relative to the step's time.

`--by-image`: the captions of an image stand together (`data.group: image`), for all sides; batches of a multiple of 5.
`--memory`: memory of a step. `--equal`: differences of losses and gradients at the start. `--along`: the same at each
step, both sides at the same weights. `--grow PNG`: time of a step as batch, k and captions grow. `--curve PNG`: losses
of both sides over 200 steps. `--profile`: time by operator.
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
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matrix_shapes import seconds_alone
from torch import Tensor, nn
from training_ways import LANGUAGE, Way, build, captions, here, plain, processor, train, under_trainer

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.activation_checkpointing import checkpoint_layers
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.prompt import Sample
from frozenvl.training.callbacks.throughput import Work, matrix_peak, operations
from frozenvl.util.kernel_cache import limit_kernel_cache
from frozenvl.util.progress import progress_line

TURN = 4
"""Number of steps in a turn. The first is not counted: the processor's caches still hold another side's data."""
WAYS: dict[str, Way] = {"plain": plain, "frozenvl": here}
CHECKPOINTED = "checkpointed"
"""Name of the side that is frozenvl with `model.checkpointing`."""


def work(batch: Batch) -> Work:
    """Returns the positions and targets that have to be computed: common beginnings of rows once."""
    return Work(int((batch.labels != IGNORE).sum()), int(batch.lengths.sum()) - batch.tree.saved)


def timed(steps: Iterator[float]) -> Iterator[float]:
    """Yields the seconds of each step."""
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
    print(
        "| k | | pairs/s | s per step (median) | share of the peak | share of its shapes | relative to plain |"
    )
    print("|---|---|---|---|---|---|---|")
    batches = captions(asked.data, asked.batch, asked.steps, asked.by_image)
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
        alone = {name: products_alone(models[name], ways[name], map(make, batches[:2])) for name in WAYS}
        alone |= {"compiled": alone["frozenvl"], "Trainer": alone["plain"]}
        # The median, since other processes disturb single steps.
        median = {name: statistics.median(seconds) for name, seconds in took.items()}
        for name, second in median.items():
            cells = [k, name, f"{asked.batch / second:.1f}", f"{second:.2f}", f"{needed / peak / second:.2f}"]
            cells += [f"{alone[name] / second:.2f}"]
            print("|", " | ".join(map(str, cells)), f"| {median['plain'] / second:.2f} |", flush=True)


def products_alone(model: FrozenVL, way: Way, batches: Iterable[Batch]) -> float:
    """Returns the mean seconds that the matrix products of a step take alone."""
    return statistics.mean(seconds_alone(lambda: way(model, batch).backward()) for batch in batches)  # noqa: B023


def gradients(model: FrozenVL, way: Way, batch: Batch) -> tuple[float, Tensor]:
    """Returns the loss and its gradient with respect to the mapper's weights, as one fp64 vector."""
    model.zero_grad()
    loss = way(model, batch)
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten().double() for p in model.mapper.parameters()])  # type: ignore[union-attr]


def equal(asked: argparse.Namespace) -> None:
    """Prints how both sides in both data types differ from the plain side in fp64."""
    (rows,) = captions(asked.data, asked.batch, 1, asked.by_image)
    batch = processor(4)(rows)
    loss, gradient = gradients(build(4, half=False).double(), plain, batch)
    print(
        "| compared with plain in fp64 | loss, relative | gradient, relative norm | cosine |\n|---|---|---|---|"
    )
    for precision, (name, way) in itertools.product(("fp32", "bf16"), WAYS.items()):
        side_loss, side_gradient = gradients(build(4, precision == "bf16"), way, batch)
        error = (side_gradient - gradient).norm() / gradient.norm()
        cosine = nn.functional.cosine_similarity(side_gradient, gradient, dim=0)
        cells = [f"{name}, {precision}", f"{abs(side_loss / loss - 1):.1e}", f"{error:.1e}", f"{cosine:.3f}"]
        print("|", " | ".join(cells), "|", flush=True)


def along(asked: argparse.Namespace) -> None:
    """Prints the largest difference of both sides' losses and gradients over the steps that frozenvl takes."""
    (k,) = asked.k[:1]
    model = build(k, asked.precision == "bf16")
    worst = [0.0, 0.0]
    norms = []

    def both(model: FrozenVL, batch: Batch) -> Tensor:
        (plain_loss, plain_gradient), (loss, gradient) = (
            gradients(model, way, batch) for way in (plain, here)
        )
        norms.append(float(plain_gradient.norm()))
        worst[0] = max(worst[0], abs(loss / plain_loss - 1))
        worst[1] = max(worst[1], float((gradient - plain_gradient).norm() / plain_gradient.norm()))
        model.zero_grad()
        return here(model, batch)

    batches = list(map(processor(k), captions(asked.data, asked.batch, asked.steps, asked.by_image)))
    for _ in train(model, both, batches):
        pass
    print(f"{len(norms)} steps of {asked.batch}, k = {k}, {asked.precision}; gradients of norm", end=" ")
    print(f"{min(norms):.3g} to {max(norms):.3g}; largest relative differences:", end=" ")
    print(f"loss {worst[0]:.1e}, gradient {worst[1]:.1e}")


def resident(peak: bool) -> int:
    """Returns the memory of this process in MB, now or at its peak since the last reset (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:" if peak else "VmRSS:")[1].split()[0]) >> 10


def memory_of(asked: argparse.Namespace) -> None:
    """Prints the peak memory of a step minus the memory before it, in MB."""
    (k,) = asked.k
    model, (rows,) = build(k, asked.precision == "bf16"), captions(asked.data, asked.batch, 1, asked.by_image)
    if asked.memory_of == CHECKPOINTED:
        checkpoint_layers(model.language)
    batch = processor(k)(rows)
    ctypes.CDLL(None).malloc_trim(0)
    before = resident(peak=False)
    Path("/proc/self/clear_refs").write_text("5")
    list(train(model, WAYS.get(asked.memory_of, here), [batch]))
    print(resident(peak=True) - before)


def memory(asked: argparse.Namespace) -> None:
    """Prints the memory of a step of each side. Each has its own process, since one would reuse the other's memory."""
    ways = (*WAYS, CHECKPOINTED)
    print("| k |", ", MB | ".join(ways) + ", MB | frozenvl / plain |\n|---|---|---|---|---|")
    for k in asked.k:
        command = [sys.executable, __file__, *([str(asked.data)] if asked.data else []), "--k", str(k)]
        command += ["--batch", str(asked.batch), "--precision", asked.precision]
        command += [*(["--by-image"] if asked.by_image else []), "--memory-of"]
        took = {
            name: int(subprocess.run([*command, name], check=True, capture_output=True, text=True).stdout)
            for name in ways
        }
        cells = [k, *took.values(), f"{took['frozenvl'] / took['plain']:.2f}"]
        print("|", " | ".join(map(str, cells)), "|", flush=True)


def of_length(rows: list[Sample], tokens: int) -> list[Sample]:
    """Returns the samples with captions so long that the processor cuts all of them to `tokens` tokens."""
    words = " ".join(sample.target for sample in rows)
    return [Sample(row.id, row.prompt, words[at * 7 :][: 12 * tokens]) for at, row in enumerate(rows)]


def grow(asked: argparse.Namespace) -> None:
    """Plots seconds of a step against its real positions, as batch, k and captions grow."""
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
    print("| | batch | k | real positions | s per step | µs per position |\n|---|---|---|---|---|---|")
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
    axes.set(xlabel="real positions", ylabel="seconds per step", xlim=(0, None), ylim=(0, None))
    axes.legend()
    figure.savefig(asked.grow, dpi=100)


def curve(asked: argparse.Namespace) -> None:
    """Plots the losses of both sides from the same weights, over the same batches."""
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
            range(1, len(batches) + 1), losses[name], label=name, lw=1, ls="--" if name == "plain" else "-"
        )
    errors = [abs(one / two - 1) for one, two in zip(*losses.values(), strict=True)]
    print(f"losses of 200 steps, {asked.precision}: relative difference", end=" ")
    print(
        f"{statistics.mean(errors):.1e} on average, {max(errors):.1e} at most; means of the last 50:", end=" "
    )
    print(", ".join(f"{name} {statistics.mean(values[-50:]):.4f}" for name, values in losses.items()))
    axes.set(xlabel="optimiser step", ylabel="loss (nats per token)")
    axes.legend()
    figure.savefig(asked.curve, dpi=100)


def profile(asked: argparse.Namespace) -> None:
    """Prints the milliseconds per step of each operator, without the operators that it calls."""
    (k,) = asked.k[:1]
    batches = list(map(processor(k), captions(asked.data, asked.batch, 6)))
    spent: dict[str, Counter[str]] = {}
    for name, way in WAYS.items():
        steps = train(build(k, asked.precision == "bf16"), way, batches)
        for _ in batches[:3]:
            next(steps)
        with torch.profiler.profile() as profiler:
            rest = list(steps)
        averages = profiler.key_averages()
        spent[name] = Counter({row.key: row.self_cpu_time_total / len(rest) for row in averages})
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
    options.add_argument("--by-image", action="store_true", help="the five captions of an image in one batch")
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
    limit_kernel_cache()
    for wanted in (equal, along, profile, grow, curve):
        if getattr(asked, wanted.__name__):
            return wanted(asked)
    return compare(asked)


if __name__ == "__main__":
    main()
