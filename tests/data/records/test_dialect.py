"""Separator and quoting of tables."""

from __future__ import annotations

import pytest

from frozenvl.data.records.dialect import HEAD_ROWS, find_dialect
from frozenvl.util.errors import UserError


def is_header(fields: list[str]) -> bool:
    return "image" in fields


def dialect_of(text: str, **known):
    head = find_dialect(text.encode(), 0, is_header, **known)
    return (*head.dialect, head.width)


@pytest.mark.parametrize(
    ("text", "separator", "width"),
    [
        ("a, b\t1.jpg\nc, d\t2.jpg\n", "\t", 2),
        ("a dog\t1.jpg\nno tab\n", "\t", 2),
        ("a dog,1.jpg\na cat,2.jpg\n", ",", 2),
        ("a;b,1.jpg;7\nc;d,2.jpg;8\n", ";", 3),
        ("image|text, or so\n1.jpg|a\n", "|", 2),
        ("image,text\n1.jpg,a, b\n2.jpg,c, d, e\n", ",", 2),
        ("1.jpg, a; b\n2.jpg, c; d\n", ",", 2),
    ],
)
def test_the_separator_is_recognised(text, separator, width):
    assert dialect_of(text) == (separator, False, width)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\n", r"no separator \(tab, comma, semicolon or \|\) divides its rows .* 'a'"),
        ("a, b\nc\nd\n", "no separator"),
        (
            "a, b; c\nd, e; f\n",
            "',' and ';' could both separate its columns; give separator; the first row is 'a, b",
        ),
    ],
)
def test_a_separator_that_is_not_clear_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        dialect_of(text)
    assert dialect_of(text, separator=",")[0] == ","


MANY = "".join(f"{n}.jpg\ta dog\n" for n in range(2 * HEAD_ROWS))


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('1.jpg\t"a ""big"" dog"\n2.jpg\ta cat\n', True),
        ('1.jpg\t"a\ttab"\n2.jpg\ta cat\n', True),
        ('1.jpg\t"two\nlines"\n2.jpg\ta cat\n', True),
        ('1.jpg\t"a dog"\n2.jpg\t"a cat"\n', True),
        ('image\tcaption\n1.jpg\t"a dog"\n2.jpg\t"a cat"\n', True),
        ('1.jpg,"a dog"\n2.jpg,a cat\n', True),
        (MANY + '9.jpg\t"a ""big"" dog"\n', True),
        ('1.jpg\t"stop"\n2.jpg\ta cat\n', False),
        ('1.jpg\t24" tv\n2.jpg\ta cat\n', False),
        ('1.jpg,24" tv\n2.jpg,a cat\n', False),
        ('1.jpg\t"go" he said\n2.jpg\the said "no"\n', False),
        ('1.jpg\t"go\n2.jpg\ta dog\n3.jpg\tsaid he"\n', False),
        ('1.jpg\t"a ""b"" c"\n' + '2.jpg\t24" tv\n' * 20, False),
        ('1.jpg\t24" tv\n' + '2.jpg\t"a ""b"" c"\n' * 20, True),
    ],
)
def test_quoting_is_recognised_by_all_quotation_marks(text, quoted):
    assert dialect_of(text)[1] is quoted
    assert dialect_of(text, quoted=not quoted)[1] is not quoted


def test_quotation_marks_that_contradict_each_other_are_refused():
    text = '1.jpg\t"a ""b"" c"\n2.jpg\t24" tv\n'
    with pytest.raises(
        UserError, match=r'quoted as in CSV files .*a ""b"" c.*24" tv.*give quoted: true or false'
    ):
        dialect_of(text)
