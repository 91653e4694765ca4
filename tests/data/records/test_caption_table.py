"""Rows of tables of captions."""

from __future__ import annotations

import pytest

from frozenvl.data.records.caption_table import CaptionTable, Row
from frozenvl.util.errors import UserError


def read(folder, text: str, **options) -> CaptionTable:
    (folder / "t").write_text(text)
    return CaptionTable(folder / "t", **options)


def test_a_row_has_its_fields(tmp_path):
    table = read(tmp_path, "key,image,split,caption\n 7, 1.jpg ,val,a   dog\n", columns={"id": "key"})
    assert list(table) == [Row("1.jpg", ("a dog",), "7", "", "val")]
    assert (table.number(0), table.name(0), table.first_images()) == (2, "t, row 2", ["1.jpg"])


def test_the_number_of_a_caption_is_part_of_the_name_or_a_column(tmp_path):
    assert read(tmp_path, "1.jpg#10\ta\n")[0] == Row("1.jpg", ("a",), number="10")
    assert read(tmp_path, "image,comment,comment_number\n1.jpg,a,3\n")[0] == Row("1.jpg", ("a",), number="3")
    assert [row.image for row in read(tmp_path, "1.jpg#1\ta\n2.jpg\tb\n")] == ["1.jpg#1", "2.jpg"]


def test_a_list_of_captions_is_several(tmp_path):
    table = read(tmp_path, '["a ", "b"]\t1.jpg\n["c"]\t2.jpg\n' * 50 + '["d", " "]\t3.jpg\nnone\t4.jpg\n')
    assert table[0].captions == ("a", "b")
    assert (
        table[100].problem == "no caption" and table[101].problem == "its caption is not a JSON list of texts"
    )


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1.jpg", "it has 1 column, not 3"),
        ("1.jpg,a,b,c", "it has 4 columns, not 3"),
        ("1.jpg,7, ", "no caption"),
        (" ,7,a", "no image file"),
        (",,", "it is empty"),
        ("", "it is empty"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(tmp_path, row, problem):
    table = read(tmp_path, f"image,score,caption\n1.jpg,7,a\n{row}\n2.jpg,8,b\n")
    assert (table[1].captions, table[1].problem) == ((), problem)
    assert [row.captions for row in table] == [("a",), (), ("b",)]


def test_a_quotation_mark_without_its_counterpart_is_named(tmp_path):
    table = read(tmp_path, 'image,caption\n1.jpg,"a, b"\n2.jpg,"c, d\n3.jpg,e\n', quoted=True)
    assert table[1].problem == "a quotation mark at the start of a field has no counterpart at its end"
    assert [row.captions for row in table] == [("a, b",), (), ("e",)]


def test_separators_in_an_unquoted_caption_belong_to_it(tmp_path):
    assert read(tmp_path, "image,caption\n1.jpg,a, b, c\n")[0].captions == ("a, b, c",)
    assert read(tmp_path, "caption,image\na, b, c,1.jpg\n")[0] == Row("1.jpg", ("a, b, c",))
    quoted = read(tmp_path, 'image,caption\n1.jpg,"a, b"\n2.jpg,c, d\n')
    assert [row.problem for row in quoted] == ["", "it has 3 columns, not 2"]


def test_a_table_without_a_usable_row_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"t: none of its first 20 rows can be used; t, row 2: no caption$"):
        read(tmp_path, "image,caption\n" + "1.jpg, \n" * 20 + "1.jpg,a\n")
    assert len(read(tmp_path, "image,caption\n" + "1.jpg, \n" * 19 + "1.jpg,a\n")) == 20


def test_a_table_of_uneven_rows_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"8 of its first 20 rows have another number of columns than 2, .* row 2;"
    ):
        read(tmp_path, "1.jpg\ta\nb\n" * 8 + "1.jpg\ta\n" * 4)
    assert len(read(tmp_path, "1.jpg\ta\nb\n" * 7 + "1.jpg\ta\n" * 6)) == 20
