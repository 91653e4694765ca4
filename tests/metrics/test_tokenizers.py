"""The choice of a tokenizer: sacrebleu's own tokens, what scores record, and errors."""

from __future__ import annotations

import sys

import pytest
import sacrebleu
from sacrebleu.metrics import BLEU

from frozenvl.metrics.tokenizer import tokenize
from frozenvl.metrics.tokenizers import TOKENIZERS, _sacrebleu, record_of, recorded_tokenizer, tokenizer_of
from frozenvl.util.errors import UserError

TEXTS = [
    "一只狗在沙滩上奔跑。",
    "犬が砂浜を走っている",
    "A dog's T恤, 3.5 €!",
    "สุนัขวิ่ง บนหาด",
    "",
    "  \u3000 ",
    "狗 ",
]


@pytest.fixture
def without(monkeypatch):
    """Hides a library from imports."""
    _sacrebleu.cache_clear()
    yield lambda name: monkeypatch.setitem(sys.modules, name, None)
    _sacrebleu.cache_clear()


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("ptb", ["犬が砂浜を走っている", "。", "a", "dog"]),
        ("char", [*"犬が砂浜を走っている。ADog."]),
        ("zh", ["犬", "が", "砂", "浜", "を", "走", "っている", "。", "A", "Dog", "."]),
        ("ja", ["犬", "が", "砂浜", "を", "走っ", "て", "いる", "。", "A", "Dog", "."]),
    ],
)
def test_tokens_given_by_hand(name, tokens):
    """sacrebleu keeps case and punctuation; pycocoevalcap's tokenizer keeps the ideographic full stop alone."""
    assert tokenizer_of(name)("犬が砂浜を走っている。A Dog.") == tokens


@pytest.mark.parametrize(("name", "theirs"), [("char", "char"), ("zh", "zh"), ("ja", "ja-mecab")])
def test_tokens_equal_those_of_sacrebleu(name, theirs):
    tokens = [tokenizer_of(name)(text) for text in TEXTS]
    assert tokens == [BLEU(tokenize=theirs).tokenizer(text.rstrip()).split() for text in TEXTS]


@pytest.mark.parametrize("name", ["char", "zh", "ja"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\v", "\u2028", "\0"], ids=ascii)
def test_line_ends_are_spaces_and_nothing_after_them_is_lost(name, end):
    tokens = tokenizer_of(name)(f"犬{end}猫")
    assert [token for token in tokens if token != "\0"] == ["犬", "猫"]


def test_the_default_is_pycocoevalcaps():
    assert tokenizer_of("ptb") is tokenize and TOKENIZERS[0] == "ptb"


def test_records_name_the_tokenizer_and_its_version():
    assert record_of("ptb") == "PTB, as pycocoevalcap's"
    assert record_of("zh") == f"zh, sacrebleu {sacrebleu.__version__}'s zh"
    assert record_of("ja").endswith("'s ja-mecab-0.996-IPA")
    assert [recorded_tokenizer(record_of(name)) for name in TOKENIZERS] == list(TOKENIZERS)
    assert recorded_tokenizer("") == "ptb"


@pytest.mark.parametrize("name", ["char", "zh", "ja"])
def test_without_sacrebleu_one_line_says_how_to_install_it(name, without):
    without("sacrebleu.metrics")
    with pytest.raises(UserError) as error:
        record_of(name)
    line = str(error.value)
    assert (
        "sacrebleu" in line and line.endswith("run `pip install 'frozenvl[tokenizers]'`") and "\n" not in line
    )
    assert record_of("ptb") and tokenizer_of("ptb")("a dog") == ["a", "dog"], "the default does not need it"


def test_without_mecab_one_line_says_how_to_install_it(without, monkeypatch):
    from sacrebleu.tokenizers import tokenizer_ja_mecab

    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    with pytest.raises(UserError, match=r"'ja' needs sacrebleu and MeCab; run `pip install"):
        tokenizer_of("ja")


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="unknown tokenizer '13a'; there are ptb, char, zh, ja"):
        tokenizer_of("13a")
