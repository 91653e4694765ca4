"""Differences of provenance that make scores not comparable are reported, and no others."""

from __future__ import annotations

from trees import PROVENANCE, write_vqa

from frozenvl.metrics.tokenizers import record_of
from frozenvl.metrics.vqa_rules import RULES
from frozenvl.report.comparability import differences
from frozenvl.report.load import read_runs


def found(*folders) -> tuple[list[str], list[str]]:
    return differences([result for run in read_runs(folders) for result in run.results])


def test_models_views_and_seeds_may_differ(tmp_path):
    for run in ("a", "b"):
        for seed in (0, 1):
            for view in ("seeing", "text-only"):
                own = {"model": {"k": len(run)}, "trained_weights": run, "seed": seed, "view": view}
                write_vqa(tmp_path / run, 4, 30.0, seed=seed, view=view, provenance=own)
    write_vqa(tmp_path / "c", 4, 30.0, provenance={"blind": True, "seed": 0})
    write_vqa(tmp_path / "c", 4, 30.0, seed=1, provenance={"blind": True, "seed": 1})
    assert found(tmp_path / "a", tmp_path / "b", tmp_path / "c") == ([], [])


def test_differences_in_wording_decoding_and_precision_are_reported(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0)
    write_vqa(tmp_path / "a", 4, 30.0)
    template = PROVENANCE["template"] | {"query": "{image}Q: {question} A:"}
    other = {
        "template": template,
        "decoding": {"num_beams": 3},
        "precision": "fp32",
        "versions": {"torch": "2.9"},
    }
    write_vqa(tmp_path / "b", 0, 30.0, provenance=other)
    write_vqa(tmp_path / "b", 4, 30.0, provenance=other)
    write_vqa(tmp_path / "c", 0, 30.0, provenance={"precision": "fp32"})
    serious, minor = found(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert serious == [
        "template.query differs in vqa_v2: {image}Question: {question} Answer: in a, c; {image}Q: {question} A: in b",
        "decoding differs in vqa_v2: greedy in a, c; {'num_beams': 3} in b",
        "precision differs in vqa_v2: bf16 in a; fp32 in b, c",
    ]
    assert minor == ["versions.torch differs in vqa_v2: 2.14.1 in a, c; 2.9 in b"]


def test_different_tokenizers_and_rules_are_reported(tmp_path):
    for run, tokenizer, rules in (("a", "ptb", "official"), ("b", "char", "lmms")):
        known = {"metrics_tokenizer": record_of(tokenizer), "normalisation": RULES[rules].record}
        write_vqa(tmp_path / run, 0, 30.0, provenance=known)
    assert found(tmp_path / "a", tmp_path / "b")[0] == [
        f"metrics_tokenizer differs in vqa_v2: PTB, as pycocoevalcap's in a; {record_of('char')} in b",
        "normalisation differs in vqa_v2: VQA v2's official in a; lmms: lmms-eval's in b",
    ]


def test_different_numbers_of_queries_are_reported_and_different_seeds_are_not(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0, samples=100, partial=True)
    write_vqa(tmp_path / "b", 4, 30.0)
    write_vqa(tmp_path / "b", 4, 30.0, seed=1)
    assert found(tmp_path / "a", tmp_path / "b")[0] == [
        "number of queries differs in vqa_v2: 100 in a; 261 in b",
    ]


def test_hashes_are_not_shown(tmp_path):
    hashes = {"a": "838a7861b0c44dd2", "b": "8300fd0f0a9ce911", "c": "8300fd0f0a9ce911"}
    for run, known in hashes.items():
        same = {
            "versions": {"transformers": run},
            "references": known,
            "similar_by": f"EfficientNet, {known}",
        }
        write_vqa(tmp_path / run, 0, 30.0, provenance=same)
    serious, minor = found(*(tmp_path / run for run in hashes))
    assert minor == ["versions.transformers differs in vqa_v2: a in a; b in b; c in c"]
    assert serious == [
        "the references differ in vqa_v2, between a and b, c",
        "similar_by differs in vqa_v2, between a and b, c",
    ]
    write_vqa(tmp_path / "old", 0, 30.0, provenance={"similar_by": f"EfficientNet, {hashes['a']}"})
    assert found(tmp_path / "a", tmp_path / "old")[0] == [
        "the references differ in vqa_v2: recorded in a; not recorded in old"
    ]


def test_references_of_different_queries_are_not_reported_as_well(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0, samples=100, provenance={"references": "838a7861b0c44dd2"})
    write_vqa(tmp_path / "b", 0, 30.0, provenance={"references": "8300fd0f0a9ce911"})
    assert found(tmp_path / "a", tmp_path / "b")[0] == [
        "number of queries differs in vqa_v2: 100 in a; 261 in b"
    ]


def test_a_run_with_scores_of_different_weights_is_reported(tmp_path):
    for seed, step in enumerate((500, 1500)):
        write_vqa(
            tmp_path / "a",
            4,
            30.0,
            seed=seed,
            step=step,
            provenance={"trained_weights": f"weights {step}"},
        )
    assert found(tmp_path / "a")[0] == ["the weights differ within a (of steps 500, 1,500) in vqa_v2"]


def test_a_run_whose_views_differ_is_reported(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0)
    write_vqa(tmp_path / "a", 4, 30.0, view="text-only", provenance={"precision": "fp32"})
    assert found(tmp_path / "a")[0] == [
        "precision differs in vqa_v2: bf16 in a (seeing); fp32 in a (text-only)"
    ]


def test_long_values_are_cut_and_stay_on_one_line(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0, provenance={"ends": "x" * 100})
    write_vqa(tmp_path / "b", 4, 30.0, provenance={"ends": "at\nonce"})
    (line,) = found(tmp_path / "a", tmp_path / "b")[0]
    assert line == "where answers end differs in vqa_v2: " + "x" * 59 + "… in a; 'at\\nonce' in b"
