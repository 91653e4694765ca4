"""The paper's numbers: only checked ones, each at its setting."""

from __future__ import annotations

from frozenvl.report.paper import KEYS, PUBLISHED, published

UNCHECKED = [
    *(("vqa_v2", "scratch", {"shots": shots}) for shots in (1, 4)),
    *(("vqa_v2", "finetuned", {"shots": shots}) for shots in (1, 4)),
    ("vqa_v2", "train-blind", {"shots": 1}),
    *(("ok_vqa", "finetuned", {"shots": shots}) for shots in (1, 4)),
    *(("ok_vqa", "train-blind", {"shots": shots}) for shots in (1, 4)),
    *(
        (name, "Frozen", {"ways": ways, "induction": True, "inner_shots": 1, "repeats": repeats})
        for name in ("open_ended", "real_name")
        for ways in (2, 5)
        for repeats in (1, 3, 5)
    ),
    *(
        ("real_name", "Frozen", {"ways": ways, "induction": induction, "inner_shots": shots, "repeats": 0})
        for ways in (2, 5)
        for induction, shots in ((False, 1), (True, 1), (True, 5))
    ),
    *(
        (name, "Frozen", {"inner_shots": s, "repeats": 0})
        for name in ("fast_vqa", "real_fast_vqa")
        for s in (1, 3)
    ),
]


def test_only_checked_numbers_are_published():
    rows = [
        (name, system, dict(zip(KEYS[protocol], setting, strict=True)), size)
        for (name, protocol, system, size), values in PUBLISHED.items()
        for setting in values
    ]
    printed = [row[:3] for row in rows if row[3] == "7B"]
    assert len(printed) == 28 and len(UNCHECKED) == 31
    assert [row for row in UNCHECKED if row in printed] == []
    assert ("ok_vqa", "Frozen", {"shots": 1}, "400M") not in rows
    assert len(rows) == 30


def test_numbers_are_found_by_their_setting():
    frozen = ("Frozen", "7B")
    assert [published("vqa_v2", "vqa", {"shots": n})[frozen] for n in (0, 1, 4)] == [29.5, 35.7, 38.2]
    assert published("ok_vqa", "vqa", {"shots": 4, "demonstrations": "fixed", "induction": True}) == {
        frozen: 12.6,
        ("Frozen", "400M"): 6.6,
    }
    naming = {"ways": 5, "inner_shots": 3, "repeats": 0, "induction": True}
    assert published("open_ended", "naming", naming) == {frozen: 22.3}
    assert published("real_name", "naming", naming) == {frozen: 34.7}
    assert published("open_ended_repeats", "naming", naming | {"inner_shots": 1}) == {frozen: 20.2}
    assert published("open_ended", "naming", {"ways": 2, "inner_shots": 1}) == {frozen: 29.0}
    assert published("fast_vqa", "fast_vqa", {"ways": 2, "inner_shots": 5, "repeats": 0}) == {frozen: 7.9}


def test_other_settings_and_benchmarks_have_no_numbers():
    assert published("vqa_v2", "vqa", {"shots": 2}) == {}
    assert published("vqa_v2", "vqa", {}) == {}
    assert (
        published("open_ended", "naming", {"ways": 2, "inner_shots": 1, "repeats": 3, "induction": True})
        == {}
    )
    assert published("open_ended_chosen", "naming", {"ways": 2, "inner_shots": 1}) == {}
    assert published("vqa_v2", "captions", {"shots": 0}) == {}
    assert published("scenes_vqa", "vqa", {"shots": 0}) == {}
