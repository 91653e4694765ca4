"""Choice of the tokenizer of caption metrics: pycocoevalcap's, or one of sacrebleu's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, get_args

from frozenvl.util.errors import UserError

TokenizerName = Literal["ptb", "char", "zh", "ja"]

TOKENIZERS: tuple[TokenizerName, ...] = get_args(TokenizerName)
"""Names of the tokenizers: pycocoevalcap's, single characters, Chinese, Japanese (MeCab)."""

_SACREBLEU = {"char": "char", "zh": "zh", "ja": "ja-mecab"}
_PTB = "PTB, as pycocoevalcap's"


def tokenizer_of(name: TokenizerName) -> Callable[[str], list[str]]:
    """Returns the function that splits a text into tokens.

    "ptb" is `tokenizer.tokenize`. The others are sacrebleu's tokenizers: they keep case and punctuation, and line ends
    count as spaces.

    Raises:
        UserError: if the name is unknown, or sacrebleu (for "ja", also MeCab) is not installed.
    """
    if name == "ptb":
        from frozenvl.metrics.tokenizer import tokenize  # its many patterns take a while to compile

        return tokenize
    split = _sacrebleu(name)
    # MeCab would stop reading at a null character.
    return lambda text: split(" ".join(text.replace("\0", " ").splitlines()).rstrip()).split()


def record_of(name: TokenizerName) -> str:
    """Returns the text by which scores record a tokenizer, with sacrebleu's version. Errors: see `tokenizer_of`."""
    if name == "ptb":
        return _PTB
    signature = _sacrebleu(name).signature()
    from sacrebleu import __version__

    return f"{name}, sacrebleu {__version__}'s {signature}"


def recorded_tokenizer(record: str) -> TokenizerName:
    """Returns the name of a recorded tokenizer; "ptb" if the text is none of `record_of`."""
    return next((name for name in TOKENIZERS if record.startswith(f"{name},")), "ptb")


@cache
def _sacrebleu(name: str) -> Any:
    if name not in _SACREBLEU:
        raise UserError(f"unknown tokenizer {name!r}; there are {', '.join(TOKENIZERS)}")
    try:
        from sacrebleu.metrics import BLEU

        return BLEU(tokenize=_SACREBLEU[name]).tokenizer
    except (ImportError, RuntimeError):  # sacrebleu raises RuntimeError without MeCab
        what = "sacrebleu and MeCab" if name == "ja" else "sacrebleu"
        raise UserError(
            f"the tokenizer {name!r} needs {what}; run `pip install 'frozenvl[tokenizers]'`"
        ) from None
