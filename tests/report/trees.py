"""Writes folders of runs like those that evaluations leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from scores import chosen, score_of, write

from frozenvl.evaluation import score_file
from frozenvl.report.tables import Table

REFERENCES = {
    "1": ["a dog runs", "a running dog"],
    "2": ["two red birds", "birds"],
    "3": ["a cat sits", "cat"],
}
"""Image id → reference captions of `write_captions`."""
WORSE = {"1": "a dog runs", "2": "a dog", "3": "a dog"}
BETTER = {"1": "a dog runs", "2": "two red birds", "3": "a cat"}

PROVENANCE = {
    "template": {"query": "{image}Question: {question} Answer:", "stop": ["\n"]},
    "decoding": "greedy",
    "blind": False,
    "model": {"language": "SmolLM2-135M-Instruct", "k": 4, "vision": "EfficientNet-Lite0"},
    "trained_weights": "55c5d7ce7fb5708a",
    "precision": "bf16",
    "eval_batch_size": 64,
    "versions": {"torch": "2.14.1"},
}


def write_score(
    run: Path,
    name: str,
    scores: dict[str, float],
    half: float | None = 3.0,
    provenance: dict[str, Any] | None = None,
    **keys: Any,
) -> Path:
    """One evaluation; its intervals reach `half` to both sides."""
    ends = {} if half is None else {key: [value - half, value + half] for key, value in scores.items()}
    known = {"intervals": ends, "provenance": PROVENANCE | (provenance or {})}
    score = score_of(name, scores, **known | keys)
    return write(run, chosen(score) if "chosen_by" in score.provenance else score)


def write_vqa(run: Path, shots: int, value: float, seed: int = 0, **keys: Any) -> Path:
    """VQA v2 at a number of shots."""
    view = keys.get("view", "seeing")
    name = f"vqa_v2-{shots}shot-seed{seed}" + ("" if view == "seeing" else f"-{view}")
    drawn = {"demonstrations": "per_question", "seed": seed} if shots else {}
    known = {
        "benchmark": "vqa_v2",
        "protocol": "vqa",
        "view": view,
        "setting": {"shots": shots, "induction": False} | drawn,
        "baselines": {"most_frequent": 23.1},
    }
    return write_score(run, name, {"overall": value, "answer_type/number": value / 2}, **(known | keys))


def write_naming(
    run: Path, ways: int, inner_shots: int, strict: float, induction: bool = True, **keys: Any
) -> Path:
    """Open-Ended miniImageNet."""
    known = {
        "benchmark": "open_ended",
        "protocol": "naming",
        "view": "seeing",
        "setting": {
            "ways": ways,
            "inner_shots": inner_shots,
            "repeats": 0,
            "induction": induction,
            "episodes": f"{ways}way-{inner_shots}shot",
        }
        | ({"induction_text": "Answer with {names}.\n"} if induction else {}),
        "baselines": {"chance": 100 / ways},
        "samples": 250,
        "of": 250,
    }
    name = f"open_ended-{ways}way-{inner_shots}shot" + ("-induced" if induction else "")
    return write_score(run, name, {"strict": strict, "first_phrase": strict + 4}, **(known | keys))


def write_shown(evaluation: Path, rows: list[dict[str, Any]]) -> None:
    (evaluation / "shown.json").write_text(json.dumps(rows))


def shown(
    number: int, right: float | None, text: str, shots: int = 1, image: str = "shown/0.jpg"
) -> dict[str, Any]:
    """Returns a row of shown.json: an answer with its prompt."""
    prompt: list[dict[str, str]] = []
    for shot in range(shots):
        prompt += [{"image": image}, {"text": f"Question: how many dogs are there? Answer: {shot + 1}\n"}]
    prompt += [{"image": image}, {"text": "Question: what animal is it? Answer:"}]
    return {
        "id": f"q/{number}",
        "right": right,
        "prompt": prompt,
        "text": text,
        "references": ["cat"] * 9 + ["kitten"],
    }


def write_thumbnail(evaluation: Path, number: int = 0, size: tuple[int, int] = (160, 107)) -> None:
    (evaluation / "shown").mkdir(exist_ok=True)
    gradient = Image.radial_gradient("L").resize(size)
    Image.merge("RGB", [gradient, gradient.rotate(90), gradient]).save(evaluation / "shown" / f"{number}.jpg")


def write_captions(
    folder: str, texts: dict[str, str], score: dict | None = None, **provenance: object
) -> Path:
    """Writes a predictions.jsonl of captions with the score.json beside it; returns its path."""
    path = Path(folder) / "predictions.jsonl"
    path.parent.mkdir(parents=True)
    rows = [
        {"id": key, "image_id": key, "text": text, "references": REFERENCES[key]}
        for key, text in texts.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = {"provenance": {"decoding": "greedy"} | provenance} | (score or {})
    score_file.write_score(path.with_name("score.json"), score_of("captions", {"CIDEr": 0.5}, **known))
    return path


def write_run(
    run: Path, cider: float, parameters: int = 1000, seed: int | None = None, **config: Any
) -> None:
    """Writes a captioning run with its costs, and with its configuration if it has a seed."""
    write_score(run, "captions", {"CIDEr": cider}, half=0.03)
    write_score(run, "perplexity", {"perplexity": 20.0 - cider, "loss": 2.9}, half=None)
    took = {"trained_parameters": parameters, "pairs": 64_000, "pairs_per_second": 51.26, "minutes": 20.85}
    (run / "cost.json").write_text(json.dumps(took | {"peak_memory_gb": 1.5}))
    if seed is not None:
        facts = {
            "name": run.name,
            "seed_everything": seed,
            "model": {"seed": seed, "k": 4},
            "data": {"seed": 0},
        }
        (run / "config.yaml").write_text(yaml.safe_dump(facts | config))


def cells(table: Table) -> dict[str, dict[str, str]]:
    """Returns score → column → text of the cell."""
    return {row.score: {str(column): str(cell) for column, cell in row.cells.items()} for row in table.rows}
