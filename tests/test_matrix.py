"""The table of docs/language_models.md is complete, and tests fail if it differs from their outcomes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from matrix import BEGIN, END, PAGE, PROPERTIES, Matrix, cells


def test_the_page_has_all_architectures_and_properties():
    from model.architectures import ALL

    known = cells(PAGE.read_text())
    assert list(dict.fromkeys(kind for kind, _ in known)) == sorted(ALL)
    assert tuple(dict.fromkeys(name for _, name in known)) == PROPERTIES
    assert set(known.values()) <= {"✓", *(f"no ({number})" for number in range(1, 6))}


@pytest.fixture
def page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}{END}after\n")
    return page


def finished(page, write=False, **outcomes) -> Matrix:
    matrix = Matrix(write, page)
    for kind, passed in outcomes.items():
        matrix.found |= {(kind, name): passed for name in PROPERTIES}
    matrix.cannot["mpt", PROPERTIES[2]] = "why not"
    matrix.session = SimpleNamespace(exitstatus=pytest.ExitCode.OK, config=SimpleNamespace())
    matrix.pytest_sessionfinish(matrix.session)
    return matrix


def test_the_written_table_has_the_outcomes(page):
    finished(page, write=True, gpt2=True, mpt=True, opt=False)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "(1) why not" in text
    known = cells(text)
    assert known["gpt2", PROPERTIES[0]] == "✓" and known["opt", PROPERTIES[0]] == "✗"
    assert known["mpt", PROPERTIES[2]] == "no (1)" and known["mpt", PROPERTIES[1]] == "✓"
    assert finished(page, gpt2=True, mpt=True).differing == []
    finished(page, write=True, gpt2=True)
    assert page.read_text().count("| gpt2") == 1 and "opt" not in page.read_text()


def test_a_different_outcome_fails_the_run(page):
    finished(page, write=True, gpt2=True)
    assert finished(page, gpt2=True).session.exitstatus == pytest.ExitCode.OK
    other = finished(page, gpt2=True, llama=True)
    assert other.session.exitstatus == pytest.ExitCode.TESTS_FAILED
    assert other.differing == [f"llama: {name}" for name in PROPERTIES]
    assert finished(page).session.exitstatus == pytest.ExitCode.OK


def test_the_order_of_tests_does_not_number_the_reasons(page):
    one, other = (finished(page, write=True, gpt2=True, mpt=True) for _ in range(2))
    for matrix, places in ((one, (1, 2)), (other, (2, 1))):
        matrix.cannot = {("mpt", PROPERTIES[place]): f"why not {place}" for place in places}
    assert one.table() == other.table() and one.cell("mpt", PROPERTIES[1]) == "no (1)"
