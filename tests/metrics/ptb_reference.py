"""The Java tokeniser of pycocoevalcap, with one sentence per document, and sentences that are hard to tokenise.

Run as a script to compare many: `python tests/metrics/ptb_reference.py --sentences 100000`. With `--write` the
first few are kept, with Java's tokens, as the cases of `test_tokenizer.py`. With `--texts FILE …` the lines of
these files are compared too; with `--languages`, sentences in many languages instead of the hard ones. `--batch`
compares with one call of pycocoevalcap for a whole set, where a sentence's tokens can depend on its neighbours.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from languages import WORDS as WORDS_OF
from languages import sentences as language_sentences

PUNCTUATION = [
    "''",
    "'",
    "``",
    "`",
    "-LRB-",
    "-RRB-",
    "-LCB-",
    "-RCB-",
    ".",
    "?",
    "!",
    ",",
    ":",
    "-",
    "--",
    "...",
    ";",
]
BATCH = 5000

WORDS = re.split(
    r"\s+",
    """\
a the A The I man dog cat's dogs' don't can't won't isn't I'm he'll they've we'd you're cannot gonna gotta
wanna lemme gimme 'tis 'twas 'em 'n' 'cause o'clock ma'am rock'n'roll y'all d'Artagnan l'eau O'Neil
Jack-o'-lantern ain't Mr. Mrs. Dr. St. Jr. Sr. Inc. Co. Corp. Ltd. etc. e.g. i.e. vs. U.S. U.K. U.S.A. a.m.
p.m. A.M. Ph.D. No. no. Nos. fig. p. pp. Jan. Sept. Ave. Blvd. ft. in. lb. oz. approx. D. J.P. x. Calif.
Fla. Gen. Sen. Prof. Rev. AT&T R&B C++ C# .NET 3D 4x4 1st 2nd 3rd 21st 90s '90s '05 1990's 1,000
1,000,000.50 3.14 .5 -5 +5 5% $5 $5.00 US$20 5$ £5 €5 ¥5 5¢ 10:30 10:30pm 10pm 1/2 1 1/2 3/4" 10/12/2010
2010-10-12 5'10" 6ft 100m 5th #1 No 5 555-1234 (555) 555-123-4567 +1-800-555-1234 +44 20 7946 0958
http://a.com/b?c=d&e=f https://x.org. www.flickr.com/photos/xy example.com a@b.com first.last@mail.co.uk
@user #tag image.jpg a.b.c and/or w/o he/she x-ray T-shirt well-known mother-in-law anti-U.S. twenty-one :)
:-( ;-) :D =) <3 ^_^ -_- o_O (-_-) <b> </b> <a href="x"> <br/> <!--x--> &amp; &lt; &gt; &quot; &#39;
&eacute; ½ ¼ ⅔ 3½ 1⁄2 café naïve Straße Ångström ñ é é ё 日本語 漢字 한국어 العربية हिन्दी ไทย 😀 👍🏽 ❤️ 👨‍👩‍👧 ™ © ® °
5°C × ÷ ± ≤ ∞ • · … – — ― ‘hi’ “hi” «hi» it’s don’t ’em ’90s ‘90s dogs’ rock ’n’ roll ... .... . . . !! ?!
??? -- --- ----- * ** *** _ __ a_b ~ ^ | \\ / // + = == ( ) [ ] { } < > " ' ` '' `` , . ; : ! ?
supercalifragilisticexpialidocious Hello WORLD iPhone mp3 McDonald's hello.world Yes.No What?Yes""",
)
MARKS = list("'\"`.,;:!?-()[]{}<>/\\|@#$%^&*_+=~") + list("‘’“”«»–—…€£¥¢½·•\u0301\xa0\xad\u200b\u200d²")
LETTERS = "aeinostABITUé語ß019"


def hard_sentences(count: int, seed: int = 0) -> list[str]:
    """Generates `count` sentences from a seed: of words, of joined words, and of single characters."""
    draw = random.Random(seed)
    made = [
        "",
        " ",
        ".",
        "...",
        "''",
        "-",
        "\t",
        "\xa0",
        "a" * 5000,
        "'" * 50,
        "( ) [ ]",
        "A\vB\fC\u2028D\rE",
    ]
    while len(made) < count:
        kind = draw.random()
        if kind < 0.4:
            made.append(" ".join(draw.choices(WORDS, k=draw.randint(1, 12))))
        elif kind < 0.7:
            glue = ["", " ", " ", draw.choice(MARKS), draw.choice(MARKS)]
            made.append("".join(draw.choice(WORDS) + draw.choice(glue) for _ in range(draw.randint(1, 7))))
        elif kind < 0.95:
            sets = [LETTERS, LETTERS, MARKS, " "]
            made.append("".join(draw.choice(draw.choice(sets)) for _ in range(draw.randint(1, 14))))
        else:
            points = [draw.choice([draw.randint(32, 126), draw.randint(0xA1, 0xD7FF)]) for _ in range(8)]
            made.append("".join(map(chr, points)))
    return made[:count]


def java_missing() -> str | None:
    """Returns why the Java tokeniser cannot run here, or None."""
    if shutil.which("java") is None:
        return "no java on PATH"
    return None if find_spec("pycocoevalcap") else "pycocoevalcap is not installed"


def java_tokens(sentences: list[str]) -> list[str]:
    """Returns the tokens of each sentence, joined by spaces; each sentence is a separate Java document.

    Line separators become spaces first, since Java would end the line there.
    """
    import pycocoevalcap.tokenizer.ptbtokenizer as wrapper

    jar = Path(wrapper.__file__).with_name(wrapper.STANFORD_CORENLP_3_4_1_JAR)
    lines = []
    for start in range(0, len(sentences), BATCH):
        batch = [re.sub("[\n\r\v\f\u2028\u2029]", " ", text) for text in sentences[start : start + BATCH]]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for index, text in enumerate(batch):
                (folder / str(index)).write_bytes(text.encode())
            pairs = "".join(f"{folder / str(i)}\t{folder / f'{i}.out'}\n" for i in range(len(batch)))
            (folder / "list").write_text(pairs)
            command = [
                "java",
                "-Dfile.encoding=UTF-8",
                "-cp",
                str(jar),
                "edu.stanford.nlp.process.PTBTokenizer",
            ]
            command += ["-preserveLines", "-lowerCase", "-ioFileList", str(folder / "list")]
            subprocess.run(command, check=True, capture_output=True)
            lines += [(folder / f"{index}.out").read_bytes().decode() for index in range(len(batch))]
    return [" ".join(w for w in line.rstrip().split(" ") if w not in PUNCTUATION) for line in lines]


def batch_tokens(sentences: list[str]) -> list[str]:
    """Returns the tokens of each sentence from one call of pycocoevalcap: all of them are one Java document."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    captions = {index: [{"caption": text}] for index, text in enumerate(sentences)}
    return [line for (line,) in PTBTokenizer().tokenize(captions).values()]


def main() -> None:
    from frozenvl.metrics.tokenizer import tokenize

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sentences", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--texts", type=Path, nargs="*", default=[])
    options.add_argument("--show", type=int, default=20)
    options.add_argument("--write", type=int, default=0, help="keep so many as the cases of the tests")
    options.add_argument("--languages", action="store_true", help="compare only sentences in many languages")
    options.add_argument("--batch", action="store_true", help="one Java document for all sentences of a set")
    asked = options.parse_args()
    sets = {f"hard sentences, seed {asked.seed}": hard_sentences(asked.sentences, asked.seed)}
    if asked.languages:
        sets = {language: language_sentences(language, 1500) for language in WORDS_OF}
    sets |= {path.name: path.read_text(encoding="utf-8").split("\n") for path in asked.texts}
    for name, sentences in sets.items():
        expected = (batch_tokens if asked.batch else java_tokens)(sentences)
        differ = [(s, e) for s, e in zip(sentences, expected, strict=True) if " ".join(tokenize(s)) != e]
        print(f"{name}: {len(sentences)} sentences, {len(differ)} differ")
        for sentence, tokens in sorted(differ, key=lambda pair: len(pair[0]))[: asked.show]:
            print(f"  {sentence!r}\n    java {tokens!r}\n    here {' '.join(tokenize(sentence))!r}")
        if asked.write and name.startswith("hard sentences"):
            unequal = {sentence for sentence, _ in differ}
            short = [
                (s, e) for s, e in zip(sentences, expected, strict=True) if len(s) < 200 and s not in unequal
            ]
            target = Path(__file__).with_name("ptb_cases.json")
            target.write_text(json.dumps(dict(short[: asked.write]), ensure_ascii=True, indent=0) + "\n")


if __name__ == "__main__":
    sys.exit(main())
