"""Table of docs/language_models.md, made from the outcomes of the tests that are marked with a property.

`@pytest.mark.matrix("batched = single", cannot={"bloom": "why"})` marks a test with the parameter `kind`. A run checks
the cells that it has outcomes of against the page; `pytest tests/model --matrix` writes all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "language_models.md"
BEGIN, END = "<!-- made by the tests: pytest tests/model --matrix -->\n", "<!-- end -->\n"
PROPERTIES = (
    "images anywhere",
    "batched = single",
    "packed = padded",
    "cached = uncached",
    "head on targets alone = full loss",
    "gradients reach the prefix, nothing else",
    "weights the same after fitting, bit by bit",
    "save and load",
    "prefix tuning: batched = single",
    "fusions in the layers start as the bare model, bit by bit",
    "and the layer prefix",
)


class Matrix:
    """Pytest plug-in that collects outcomes, and at the end reports differences to the page or writes the page."""

    def __init__(self, write: bool, page: Path = PAGE) -> None:
        self.write, self.page = write, page
        self.found: dict[tuple[str, str], bool] = {}
        self.cannot: dict[tuple[str, str], str] = {}
        self.differing: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo):
        report = yield
        if mark := item.get_closest_marker("matrix"):
            # Kept on the report, because with xdist it comes from another process.
            report.matrix = item.callspec.params["kind"], mark.args, mark.kwargs.get("cannot", {})  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "matrix") and (report.when == "call" or report.failed):
            kind, names, cannot = report.matrix
            for name in names:
                self.found[kind, name] = self.found.get((kind, name), True) and report.passed
                self.cannot |= {(other, name): why for other, why in cannot.items()}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):
            return  # an xdist worker, which has run a part of the tests
        if self.write:
            text = self.page.read_text(encoding="utf-8")
            before, _, rest = text.partition(BEGIN)
            self.page.write_text(
                before + BEGIN + self.table() + END + rest.partition(END)[2], encoding="utf-8"
            )
        elif self.found:
            known = cells(self.page.read_text(encoding="utf-8"))
            self.differing = [
                f"{kind}: {name}"
                for kind, name in self.found
                if known.get((kind, name)) != self.cell(kind, name)
            ]
            if self.differing and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self.differing:
            terminalreporter.write_line(
                f"{self.page}: {len(self.differing)} cells are not what the tests found ({self.differing[0]} …); "
                "write it anew with pytest tests/model --matrix",
                red=True,
            )

    def cell(self, kind: str, name: str) -> str:
        """Returns whether a property holds for an architecture; "?" if no test was run."""
        passed = self.found.get((kind, name))
        if passed and (kind, name) in self.cannot:
            return f"no ({self.reasons().index(self.cannot[kind, name]) + 1})"
        return {None: "?", True: "✓", False: "✗"}[passed]

    def table(self) -> str:
        """Returns the table: architectures as rows, properties as columns, reasons below."""
        lines = [["", *PROPERTIES], ["---", *(":-:" for _ in PROPERTIES)]]
        kinds = sorted({kind for kind, _ in self.found})
        lines += [[kind, *(self.cell(kind, name) for name in PROPERTIES)] for kind in kinds]
        rows = [f"| {' | '.join(line)} |" for line in lines]
        return (
            "\n".join([*rows, "", *(f"({n}) {reason}" for n, reason in enumerate(self.reasons(), 1))]) + "\n"
        )

    def reasons(self) -> list[str]:
        """Returns the reasons in the order of columns and rows, whatever the order in which tests ran."""
        places = sorted(self.cannot, key=lambda place: (PROPERTIES.index(place[1]), place[0]))
        return list(dict.fromkeys(self.cannot[place] for place in places))


def cells(page: str) -> dict[tuple[str, str], str]:
    """Reads the table of a page: (architecture, property) → cell."""
    lines = [line for line in page.partition(BEGIN)[2].partition(END)[0].splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {(row[0], name): cell for row in rows for name, cell in zip(head[1:], row[1:], strict=True)}
