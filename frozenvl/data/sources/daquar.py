"""DAQUAR as published: a text file of questions and answers about indoor photographs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import described, one_line
from frozenvl.data.sources.questions import Part, Question, Questions, image_name

_IMAGE = re.compile(r"\bimage(\d+)\b", re.I)
_ENDING = re.compile(r" in (?:the |this )?image\d+(?= ?\??$)", re.I)


class DAQUARQuestions(Questions):
    """DAQUAR questions, read from a published `qa.*.txt`, where the line after a question is its answer.

    The last `image12` in a question names its image. The number is left out of the text: an ending "in the image12" as
    a whole, which public loaders also remove, and elsewhere the digits alone ("the left side of the image ?"). Several
    answers, such as "book, lamp", are one set: the line is a single reference, as published. The id of a question is
    its number in the file, from 1.

    Args:
        questions: text file, such as `qa.894.raw.train.txt`.
        images: folder of the image files.
        image_name: pattern of the image file names, with the field `{image_id}`, a number.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, the layout is another one, or a question has no answer or
            names no image. All such lines are named.
    """

    layout = "DAQUAR's text file"

    def __init__(
        self,
        questions: str,
        images: str,
        image_name: str = "image{image_id}.png",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        super().__init__(questions, images, part, ask_share, pattern=image_name)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        first = content.lstrip().partition("\n")[0].rstrip() if isinstance(content, str) else ""
        return bool(_IMAGE.search(first)) and first.endswith("?") and "\t" not in first

    @classmethod
    def read(cls, file: RecordFile, pattern: str = "image{image_id}.png") -> Iterator[Question]:
        """Yields the questions of a file."""
        if not isinstance(file.content, str):
            raise file.refused(f"it is {described(file.content)}, not lines of text")
        lines = [one_line(line) for line in file.content.rstrip().split("\n")]
        if not any(map(_IMAGE.search, lines)):
            raise file.refused("no line names an image, as in 'what is on the desk in the image12 ?'")
        index = number = 0
        while index < len(lines):
            question, answer = lines[index], (lines[index + 1 : index + 2] or [""])[0]
            if not question:
                index += 1
                continue
            mentions = _IMAGE.findall(question)
            answered = bool(answer) and not _IMAGE.search(answer)
            line, number = f"line {index + 1}", number + 1
            if not mentions:
                file.problem(
                    f"{line}: {question[:60]!r} names no image; lines of questions and answers alternate"
                )
            elif not answered:
                file.problem(f"{line}: no answer follows {question[:60]!r}")
            else:
                image = Record(file, {"image_id": mentions[-1]}, "", line, None)
                text = _IMAGE.sub("image", _ENDING.sub("", question))
                name = image_name(pattern, image, "image_id")
                yield Question(str(number), name, text, (answer,), answer, {})
            index += 2 if answered else 1
