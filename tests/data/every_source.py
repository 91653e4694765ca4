"""A small data set of each source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clips import clip_bytes, videos
from every_published import PUBLISHED, Maker, images
from parquet import images as images_of
from parquet import write_parquet
from tars import folder_of_shards, write_tar

from frozenvl.data.registry import source_classes
from frozenvl.data.sources.source import Source

TRAIN = "COCO_train2014_{:012d}.jpg"


def _file(folder: Path, content: Any) -> str:
    path = folder / "annotations.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def _aokvqa(folder: Path) -> dict[str, Any]:
    rows = [
        {"question_id": f"q{n}", "image_id": 7, "question": f"What {n}?", "choices": ["a", "b"],
         "correct_choice_idx": n, "direct_answers": ["b", "b", "a"], "difficult_direct_answer": bool(n)}
        for n in range(2)
    ]  # fmt: skip
    return {"annotations": _file(folder, rows), "images": images(folder, "000000000007.jpg")}


def _coco(folder: Path) -> dict[str, Any]:
    names = ["a/x.jpg", "b/x.jpg", TRAIN.format(3), "ünï 日本.png"]
    listed = [{"id": n, "file_name": name} for n, name in enumerate(names)]
    listed[2]["domain"] = "near"
    captions = [(n, f"caption {k}, of \"{n}\"; 'x'") for n in range(4) for k in range(n + 1)]
    annotations = [{"id": k, "image_id": n, "caption": text} for k, (n, text) in enumerate(captions)]
    return {
        "annotations": _file(folder, {"images": listed, "annotations": annotations}),
        "images": images(folder, *names),
    }


def _conceptual(folder: Path) -> dict[str, Any]:
    (folder / "pairs.tsv").write_text("a dog\ta.jpg\nthe dog, again\ta.jpg\na cat\tb.jpg\n")
    return {"tsv": str(folder / "pairs.tsv"), "images": images(folder, "a.jpg", "b.jpg")}


def _folder(folder: Path) -> dict[str, Any]:
    return {"folder": images(folder, "1.jpg", "cat/1.jpg", "dog/1.png")}


def _hugging_face(folder: Path) -> dict[str, Any]:
    rows = {"image": images_of(1, 2, 3), "caption": [["a dog", "the dog"], ["a cat"], ["it"]]}
    return {"path": str(write_parquet(folder / "train-00000-of-00001.parquet", **rows))}


def _image_text_files(folder: Path) -> dict[str, Any]:
    made = Path(images(folder, "a/1.jpg", "b/1.jpg"))
    (made / "a" / "1.txt").write_text("a dog")
    (made / "b" / "1.txt").write_text("a cat\nthe cat\n")
    return {"folder": str(made), "lines": "captions"}


def _karpathy(folder: Path) -> dict[str, Any]:
    rows = [
        {"filename": TRAIN.format(n), "filepath": "train2014", "cocoid": n, "imgid": 10 + n, "split": "train",
         "sentences": [{"raw": f"A dog {n}."}, {"raw": "A dog runs."}]}
        for n in (1, 2)
    ]  # fmt: skip
    return {
        "annotations": _file(folder, {"images": rows}),
        "images": images(folder, TRAIN.format(1), TRAIN.format(2)),
    }


def _labelled(folder: Path) -> dict[str, Any]:
    return {"folder": images(folder, "cat/1.jpg", "cat/2.jpg", "electric_ray/1.jpg", "electric_ray/2.jpg")}


def _lxmert(folder: Path) -> dict[str, Any]:
    labels: list[dict[str, float]] = [{"boat": 1, "row": 0.3}, {}]
    rows = [
        {"sent": "What?", "question_id": n, "img_id": TRAIN.format(n).removesuffix(".jpg"), "label": label}
        for n, label in enumerate(labels)
    ]
    return {"annotations": _file(folder, rows), "images": images(folder, TRAIN.format(0), TRAIN.format(1))}


def _shards(folder: Path) -> dict[str, Any]:
    return {"shards": str(folder_of_shards(folder / "tars", [2, 1]))}


def _msrvtt(folder: Path) -> dict[str, Any]:
    listed = [{"video_id": f"video{n}", "split": "train", "category": 9, "id": n} for n in range(2)]
    said = [{"video_id": f"video{n % 2}", "caption": f"a man runs {n}", "sen_id": n} for n in range(3)]
    return {
        "annotations": _file(folder, {"videos": listed, "sentences": said}),
        "videos": videos(folder, "video0.mp4", "video1.mp4"),
    }


def _msvd(folder: Path) -> dict[str, Any]:
    text = "-4ws_5_15 a squirrel is eating\n-4ws_5_15 a squirrel eats a nut\nmv89_0_9 a man plays\n"
    (folder / "AllVideoDescriptions.txt").write_text(text)
    return {
        "annotations": str(folder / "AllVideoDescriptions.txt"),
        "videos": videos(folder, "-4ws_5_15.mp4", "mv89_0_9.mp4"),
    }


def _video_folder(folder: Path) -> dict[str, Any]:
    made = Path(videos(folder, "run/1.mp4", "swim/2.mp4"))
    (made / "run" / "1.txt").write_text("a man runs\nsomebody runs\n")
    return {"folder": str(made)}


def _video_shards(folder: Path) -> dict[str, Any]:
    members = [(f"{n:05}.{end}", content) for n in range(2) for end, content in clip_sample(n).items()]
    (folder / "tars").mkdir()
    write_tar(folder / "tars" / "0.tar", members)
    return {"shards": str(folder / "tars")}


def clip_sample(number: int) -> dict[str, Any]:
    """Returns the members of a sample with a clip: suffix → content."""
    return {"mp4": clip_bytes(100 * number), "txt": f"a man runs {number}", "json": {"duration": 0.3}}


def _video_table(folder: Path) -> dict[str, Any]:
    rows = [
        "videoid,contentUrl,duration,page_dir,name",
        *(f'{n},x,PT1S,001_050,"a man, {n}"' for n in (7, 8)),
    ]
    (folder / "results.csv").write_text("\n".join(rows) + "\n")
    return {"table": str(folder / "results.csv"), "videos": videos(folder, "001_050/7.mp4", "001_050/8.mp4")}


def _visual_genome(folder: Path) -> dict[str, Any]:
    qas = [{"qa_id": n, "image_id": 1, "question": f"What {n}?", "answer": f"A {n}."} for n in range(2)]
    return {"questions": _file(folder, [{"id": 1, "qas": qas}]), "images": images(folder, "1.jpg")}


def _vqa(folder: Path) -> dict[str, Any]:
    asked = [{"question_id": n, "image_id": n // 2, "question": f"Is it {n}?"} for n in range(3)]
    given = [
        {
            "question_id": n,
            "answers": [{"answer": text} for text in ("no", "yes", "", "yes")],
            "answer_type": "yes/no",
        }
        for n in range(3)
    ]
    answers = folder / "answers.json"
    answers.write_text(json.dumps({"annotations": given}))
    files = images(folder, TRAIN.format(0), TRAIN.format(1))
    return {"questions": _file(folder, {"questions": asked}), "annotations": str(answers), "images": files}


SCENES = {"size": 4, "resolution": 32}
EVERY: dict[str, Maker] = {
    "AOKVQAQuestions": _aokvqa,
    "CaptionLabels": lambda folder: {
        "captions": source_classes()["CocoCaptions"](**_coco(folder)),
        "labels": ["caption"],
        "min_captions": 1,
        "at_least": 1,
    },
    "CocoCaptions": _coco,
    "ConceptualCaptions": _conceptual,
    "HuggingFaceData": _hugging_face,
    "ImageFolder": _folder,
    "ImageTextFiles": _image_text_files,
    "Joined": lambda folder: {"questions": source_classes()["VQAQuestions"](**_vqa(folder))},
    "KarpathyCaptions": _karpathy,
    "LabelledImages": _labelled,
    "LxmertQuestions": _lxmert,
    "MovingSceneCaptions": lambda folder: SCENES | {"shown": "one"},
    "MovingSceneQuestions": lambda folder: SCENES | {"shown": "one"},
    "SceneCaptions": lambda folder: SCENES,
    "SceneObjects": lambda folder: SCENES,
    "SceneQuestions": lambda folder: SCENES,
    "MSRVTT": _msrvtt,
    "MSVD": _msvd,
    "Shards": _shards,
    "VQAQuestions": _vqa,
    "VideoFolder": _video_folder,
    "VideoShards": _video_shards,
    "VideoTable": _video_table,
    "VisualGenomeQuestions": _visual_genome,
    **{name: maker for name, maker in PUBLISHED.items() if name in source_classes()},
}
"""Source class → function that writes a small data set into a folder and returns the arguments of the class."""


VIDEOS = ("MSRVTT", "MSVD", "VideoFolder", "VideoShards", "VideoTable")
"""Sources of videos."""


def small(name: str, folder: Path) -> Source:
    """Makes a small data set below a folder, and returns the source that reads it."""
    folder = folder / name
    folder.mkdir()
    return source_classes()[name](**EVERY[name](folder))
