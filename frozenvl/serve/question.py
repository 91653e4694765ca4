"""`Question`: what the page asks a model, and the same question as a command and as a Python program."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from frozenvl.prompt import Example, Image
from frozenvl.util.decoding import Decoding

SHOTS_FILE = "shots.yaml"
"""Name of the file that the page saves few-shot examples to."""
DEFAULT_TOKENS = {"ask": 10, "caption": 32}
"""Default length of the commands' texts, in tokens."""


@dataclass(frozen=True)
class Question:
    """A question about an image, or the wish for a caption, with examples in front."""

    image: Image
    text: str = ""
    """The question; empty for a caption."""
    shots: tuple[Example, ...] = ()
    induction: str = ""
    """Task induction; empty for the wording's own."""
    decoding: Decoding = field(default_factory=Decoding)

    @property
    def example(self) -> Example:
        """The example that a template words."""
        return Example(self.image.name, self.image, self.image.name, question=self.text)

    @property
    def needs_file(self) -> bool:
        """Whether the command reads examples or a task induction from `SHOTS_FILE`."""
        return bool(self.shots or self.induction)

    def as_command(self, run: Path, image: Path) -> str:
        """Returns the command line that prints the same text.

        Args:
            run: the run or export.
            image: file of the image.
        """
        command = "ask" if self.text else "caption"
        words = ["frozenvl", command, str(run), str(image), *([self.text] if self.text else [])]
        words += ["--shots", SHOTS_FILE] if self.needs_file else []
        for name, value in self.decoding.changed(DEFAULT_TOKENS[command]).items():
            words += [f"--{name}", str(value)]
        return shlex.join(words)

    def as_python(self, run: Path, image: Path) -> str:
        """Returns a Python program that prints the same text.

        Args:
            run: the run or export.
            image: file of the image.
        """
        return self._program(
            run,
            image,
            ["(text,) = model.answers(processor, [prompt], template, decoding)", "print(text)"],
            decoding=True,
        )

    def ranked_in_python(self, run: Path, image: Path, candidates: Sequence[str]) -> str:
        """Returns a Python program that prints the probability of each candidate.

        Args:
            run: the run or export.
            image: file of the image.
            candidates: texts to compare.
        """
        lines = [
            f"candidates = {[*candidates]!r}",
            "texts = [template.target.format(target=text) for text in candidates]",
            "(ranked,) = model.rank_candidates(processor, [prompt], [texts])",
            "scores = np.array([[likelihood.logp for likelihood in ranked]])",
            "for text, probability in zip(candidates, softmax(scores)[0], strict=True):",
            '    print(f"{probability:.4f}\\t{text}")',
        ]
        modules = ["import numpy as np", "from frozenvl.retrieval.label_choice import softmax"]
        return self._program(run, image, lines, modules)

    def _program(
        self,
        run: Path,
        image: Path,
        lines: Sequence[str],
        modules: Sequence[str] = (),
        decoding: bool = False,
    ) -> str:
        """Returns a program that words the prompt and then runs further lines."""
        own = [
            "from frozenvl.prompt import Example, ImageFile",
            "from frozenvl.retrieval.load import load_model",
            *(m for m in modules if m.startswith("from frozenvl")),
        ]
        body = [
            "",
            f"loaded = load_model(Path({str(run)!r}))",
            "model, processor, template = loaded.model, loaded.processor, "
            f"loaded.{'answering' if self.text else 'captioning'}",
        ]
        front = ""
        if self.needs_file:
            own = ["from dataclasses import replace", *own] if self.induction else own
            own.append("from frozenvl.data.shots_file import read_shots")
            body.append(f"shots = read_shots(Path({SHOTS_FILE!r}))")
            body += ["template = replace(template, induction=shots.induction)"] if self.induction else []
            front = ", shots.examples"
        body.append(f"image = ImageFile(Path({str(image)!r}))")
        asked = f", question={self.text!r}" if self.text else ""
        body.append(f"prompt = template.prompt(Example(image.name, image, image.name{asked}){front})")
        if decoding:
            own.append("from frozenvl.util.decoding import Decoding")
            values = {"max_new_tokens": self.decoding.max_new_tokens} | self.decoding.changed(
                self.decoding.max_new_tokens
            )
            body.append(
                f"decoding = Decoding({', '.join(f'{key}={value!r}' for key, value in values.items())})"
            )
        standard = [line for line in own if not line.startswith("from frozenvl")] + [
            "from pathlib import Path"
        ]
        others = [m for m in modules if not m.startswith("from frozenvl")]
        ours = sorted(line for line in own if line.startswith("from frozenvl"))
        groups = ["\n".join(group) for group in (standard, others, ours) if group]
        return "\n\n".join(groups) + "\n" + "\n".join([*body, *lines]) + "\n"
