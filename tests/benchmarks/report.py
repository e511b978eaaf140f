"""What was measured, as text for the terminal and as a page: pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Figures = Mapping[str, Sequence[Mapping[str, float]]]
"""Of each peer, one set of figures for each round."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under a header; the first column is text, the others are figures."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A goal of the project beside what was measured.

    Args:
        what: What is measured.
        goal: The bound, in words.
        measured: The figure.
        met: `None`: it could not be measured.
    """

    what: str
    goal: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return "not measured" if self.met is None else "met" if self.met else "**not met**"


@dataclass(frozen=True, kw_only=True)
class Section:
    """One subject: how it was measured, the tables, the goals."""

    title: str
    method: str
    tables: Sequence[Table] = ()
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def median(values: Iterable[float]) -> float:
    """The median, for one value too."""
    return statistics.median(list(values))


def ratios(figures: Figures, name: str, base: str, key: str) -> list[float] | None:
    """A peer's figure over another's, of each round they both had; `None`: there was none."""
    if not figures.get(name) or not figures.get(base):
        return None
    return [mine[key] / its[key] for mine, its in zip(figures[name], figures[base], strict=True)]


def ratio(figures: Figures, name: str, base: str, key: str) -> float | None:
    """The median of the rounds' ratios."""
    of_rounds = ratios(figures, name, base, key)
    return median(of_rounds) if of_rounds else None


def at_most(what: str, bound: float, measured: float | None, *, unit: str = "x", than: str = "") -> Goal:
    """A goal that is a bound on one figure."""
    of = f" {than}" if than else ""
    return Goal(
        what=what,
        goal=f"≤ {bound:g}{unit}{of}",
        measured="not measured" if measured is None else f"{short(measured)}{unit}{of}",
        met=None if measured is None else measured <= bound,
    )


def short(value: float | None) -> str:
    """A figure with as many digits as mean something."""
    if value is None:
        return "n/a"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def comparison(
    figures: Figures, failed: Mapping[str, str], *, key: str, unit: str, bases: Sequence[str], caption: str = ""
) -> Table:
    """Medians with their range, and the ratios to the bases; whoever has no figures is named with the reason.

    Args:
        figures: By peer, of each round.
        failed: Why peers have none.
        key: Which figure.
        unit: Its unit, for the header.
        bases: Peers to compare with, of the same rounds.
        caption: What stands above.
    """
    bases = [base for base in bases if base in figures]
    rows = []
    for name in sorted(figures, key=lambda name: median(of[key] for of in figures[name])):
        values = [of[key] for of in figures[name]]
        against = [short(ratio(figures, name, base, key)) for base in bases]
        rows.append([name, short(median(values)), f"{short(min(values))} … {short(max(values))}", *against])
    rows += [[name, reason, "", *("" for _ in bases)] for name, reason in failed.items()]
    return Table(header=["peer", unit, "min … max", *(f"x {base}" for base in bases)], rows=rows, caption=caption)


def as_text(section: Section) -> str:
    """For a terminal."""
    lines = ["", f"== {section.title} ==", section.method]
    for table in section.tables:
        lines += ["", *([table.caption] if table.caption else []), *_aligned(table)]
    if section.goals:
        lines += ["", *_aligned(_goals_table(section.goals))]
    lines += [f"({note})" for note in section.notes]
    return "\n".join(lines).replace("**", "") + "\n"


def as_markdown(section: Section) -> str:
    """For the page."""
    parts = [f"## {section.title}", section.method]
    for table in section.tables:
        parts += [*([f"{table.caption}:"] if table.caption else []), pipes(table)]
    if section.goals:
        parts.append(pipes(_goals_table(section.goals), right=False))
    parts += section.notes
    return "\n\n".join(parts) + "\n"


def summary(sections: Iterable[Section]) -> Table:
    """All goals in one table."""
    return _goals_table([goal for section in sections for goal in section.goals])


def _goals_table(goals: Iterable[Goal]) -> Table:
    rows = [[goal.what, goal.goal, goal.measured, goal.verdict] for goal in goals]
    return Table(header=["what", "goal", "measured", ""], rows=rows)


def _aligned(table: Table) -> list[str]:
    rows = [list(table.header), *(list(row) for row in table.rows)]
    # A reason instead of a figure is long; it is alone in its row, so no column need be as wide.
    widths = [max(len(row[n]) for row in rows if n == 0 or any(row[2:]) or len(row) < 3) for n in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "-" * max(len(lines[0]), 20), *lines[1:]]


def pipes(table: Table, *, right: bool = True) -> str:
    """A table in Markdown.

    Args:
        table: The table.
        right: Columns after the first hold figures.
    """

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---", *("---:" if right else "---" for _ in table.header[1:])]
    return "\n".join([line(table.header), line(rule), *(line(row) for row in table.rows)])
