"""Chooses the columns of a data set that hold its images, texts and ids, from their names and types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from frozenvl.data.arrow.texts import is_list, is_text, text_field
from frozenvl.data.shards.record import RECORD
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = {
    "image": ("image", "img", "jpg", "jpeg", "png", "webp", "image_path", "file_name", "filename", "path"),
    "caption": (
        *("caption", "captions", "annotations_captions", "text", "texts", "txt", "sentence", "sentences"),
        *("raw", "alt_text", "alt_texts", "description", "descriptions"),
    ),
    "question": ("question",),
    "answers": ("answers", "direct_answers"),
    "answer": ("answer", "multiple_choice_answer"),
    "choices": ("choices", "options", "multiple_choices"),
    "correct": ("correct_choice_idx", "correct_choice", "answer_index"),
    "id": ("question_id", "id", "key", "__key__", "image_id", "img_id", "imgid", "cocoid"),
}
"""What a column holds → names by which it is found, in lower case."""
FIELDS = {"caption": ("raw", "caption", "text"), "answers": ("answer", "raw", "text")}
"""What a column holds → fields of its objects that hold the text."""
LABELS = {
    "answer_type": "answer_type",
    "question_type": "question_type",
    "difficult_direct_answer": "difficult_direct_answer",
    "domain": "domain",
    "image_domain": "domain",
}
"""Column → label by which scores are broken down."""
PHOTOGRAPH = ("cocoid", "image_id", "img_id", "imgid", "imageid", "image_open_images_id")
"""Names of columns that identify photographs."""
FILE_NAMES = ("file_name", "filename", "image_file_name", "image_name")
"""Names of columns with the name of the image file, which tells COCO's photographs."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns that are used; empty where there is none."""

    image: str
    caption: str = ""
    question: str = ""
    answers: str = ""
    answer: str = ""
    choices: str = ""
    correct: str = ""
    ids: tuple[str, ...] = ()
    """Columns of ids; the first whose ids differ from row to row is used."""
    id_given: bool = False
    """Whether the column of ids was named, not found."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Column → field of its objects that holds the text."""

    @property
    def texts(self) -> list[str]:
        """Columns of texts, each once."""
        named = (self.caption, self.question, self.answers, self.answer, self.choices)
        return [*dict.fromkeys(name for name in named if name)]


def choose(path: str, schema: pa.Schema, given: Mapping[str, str] | None = None) -> Columns:
    """Chooses the columns of a data set.

    Args:
        path: data set, for messages.
        schema: names and types of its columns.
        given: what a column holds → its name; found from names and types where it is left out.

    Raises:
        UserError: if there is no column of images or of texts, several may be meant, or one that is named does not
            exist or has another type.
    """
    return _Choice(path, schema, dict(given or {})).columns()


class _Choice:
    """The columns of one data set."""

    def __init__(self, path: str, schema: pa.Schema, given: dict[str, str]) -> None:
        self.path, self.given = path, given
        self.types = dict(zip(schema.names, schema.types, strict=True))
        for role, name in given.items():
            if role not in NAMES:
                raise UserError(f"{path}: columns: {role!r} is none of {', '.join(NAMES)}")
            if name not in self.types:
                raise UserError(f"{path}: has no column {name!r}; its columns are {self.listed()}")
            if not self.suits(role, name):
                raise UserError(
                    f"{path}: column {self.listed([name])} holds no {role}; its columns are {self.listed()}"
                )

    def columns(self) -> Columns:
        found = {"image": self.image()}
        if "caption" not in self.given and (question := self.find("question")):
            if (
                "question" not in self.given
                and RECORD not in self.types
                and (caption := self.find("caption"))
            ):
                raise self.ambiguous("question", [question], " or the caption", [caption])
            found |= {"question": question} | self.answers()
        elif named := set(self.given) - {"image", "caption", "id"}:
            raise UserError(f"{self.path}: columns: {min(named)} belongs to questions; name the question")
        else:
            found["caption"] = self.find("caption")
            if not found["caption"]:
                other = [name for name in self.types if name.lower() in NAMES["caption"] + NAMES["question"]]
                wrong = (
                    f"{self.listed(other)} holds no texts"
                    if other
                    else "no column of captions or questions is known by its name"
                )
                raise UserError(
                    f"{self.path}: {wrong}; name the column that does, as in "
                    f'--columns \'{{"caption": "…"}}\'; its columns are {self.listed()}'
                )
        fields = {
            name: text_field(self.types[name], FIELDS["caption" if role == "caption" else "answers"]) or ""
            for role, name in found.items()
            if name and role not in ("image", "correct")
        }
        return Columns(**found, ids=self.ids(), id_given="id" in self.given, fields=fields)

    def ids(self) -> tuple[str, ...]:
        if "id" in self.given:
            return (self.given["id"],)
        found = [name for name in self.types if name.lower() in NAMES["id"] and self.suits("id", name)]
        return tuple(sorted(found, key=lambda name: NAMES["id"].index(name.lower())))

    def image(self) -> str:
        if "image" in self.given:
            return self.given["image"]
        encoded = [name for name, kind in self.types.items() if _is_encoded(kind)]
        if len(encoded) > 1:
            encoded = [name for name in encoded if name.lower() in NAMES["image"]] or encoded
        if len(encoded) > 1:
            raise self.ambiguous("image", [name for name in encoded if name.lower() == "image"] or encoded)
        name = encoded[0] if encoded else self.find("image", first=True)
        if not name and {"key", "status"} <= self.types.keys():
            raise UserError(
                f"{self.path}: lists a download of img2dataset, whose images are in the tars or folders beside it; "
                "read these with Shards or ImageTextFiles"
            )
        if not name and any(name.lower() in ("url", "image_url", "urls") for name in self.types):
            raise UserError(
                f"{self.path}: holds addresses, not images; download the images first, with img2dataset "
                f"(data/README.md); its columns are {self.listed()}"
            )
        if not name:
            raise UserError(f"{self.path}: has no column of images; its columns are {self.listed()}")
        return name

    def answers(self) -> dict[str, str]:
        found = {role: self.find(role) for role in ("answers", "choices", "correct")}
        one = self.find("answer")
        if not found["answers"]:
            found["answers"] = one
        elif one and is_text(self.types[one]):
            found["answer"] = one
        numbers = [
            name for name, kind in self.types.items() if name.lower() in NAMES["answer"] and _is_whole(kind)
        ]
        if found["choices"] and not found["correct"] and not found["answers"] and numbers:
            found["correct"] = numbers[0]
        if (
            found["choices"]
            and not found["correct"]
            and not is_text(self.types[found["answers"]] if found["answers"] else None)
        ):
            raise UserError(
                f"{self.path}: which of the choices is correct? Name the column of its number, from 0, as in "
                f'--columns \'{{"correct": "…"}}\'; its columns are {self.listed()}'
            )
        if numbers and not found["answers"] and not found["correct"]:
            raise UserError(
                f"{self.path}: its answers are {self.listed(numbers)}, not texts; make them texts"
            )
        return found

    def find(self, role: str, first: bool = False) -> str:
        """Returns the column that holds something; empty if there is none.

        Args:
            role: what it holds.
            first: whether to take the first of several, in the order of `NAMES`.
        """
        if role in self.given:
            return self.given[role]
        found = [name for name in self.types if name.lower() in NAMES[role] and self.suits(role, name)]
        if {"key", "status", "txt"} <= self.types.keys() and len(found) > 1 and role == "caption":
            found.remove("txt")  # img2dataset writes the caption twice
        if len(found) > 1 and not first:
            raise self.ambiguous(role, found)
        return min(found, key=lambda name: NAMES[role].index(name.lower()), default="")

    def suits(self, role: str, name: str) -> bool:
        """Tells whether the type of a column is one of those that can hold something."""
        kind = self.types[name]
        if role == "image":
            return _is_encoded(kind) or is_text(kind)
        if role == "id":
            return is_text(kind) or _is_whole(kind)
        if role == "correct":
            return _is_whole(kind)
        if role == "question":
            return is_text(kind)
        if role == "choices":
            return is_list(kind) and text_field(kind) == ""
        return text_field(kind, FIELDS["caption" if role == "caption" else "answers"]) is not None

    def ambiguous(
        self, role: str, names: Sequence[str], other: str = "", others: Sequence[str] = ()
    ) -> UserError:
        """Returns the error for several columns that may hold the same."""
        return UserError(
            f"{self.path}: several columns may hold the {role}{other}: {self.listed([*names, *others])}; choose with "
            f'--columns \'{{"{role}": "{names[0]}"}}\''
        )

    def listed(self, names: Sequence[str] | None = None) -> str:
        """Returns columns with their types, for messages."""
        return ", ".join(f"{name} ({_named(self.types[name])})" for name in names or self.types)


def image_kind(kind: pa.DataType) -> str:
    """Returns how a column holds images: "struct" of bytes and path, "bytes" or "path"."""
    import pyarrow as pa

    return "struct" if pa.types.is_struct(kind) else "path" if is_text(kind) else "bytes"


def _is_encoded(kind: pa.DataType) -> bool:
    """Tells whether a type holds encoded images: bytes, or an object of bytes and path."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return "bytes" in {kind.field(at).name for at in range(kind.num_fields)}
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def _is_whole(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind)


def _named(kind: Any) -> str:
    """Returns the name of a type in a message."""
    if _is_encoded(kind):
        return "image" if "struct" in str(kind) else "bytes"
    if is_text(kind):
        return "text"
    if is_list(kind):
        return f"list of {_named(kind.value_type)}"
    return str(kind) if len(str(kind)) < 60 else "object"
