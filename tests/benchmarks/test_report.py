"""The benchmark's tables, which say what was measured and hide nothing."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.benchmarks.environments import OWN, PEERS
from tests.benchmarks.page import SHOWN, machine, render
from tests.benchmarks.report import Goal, Section, Table, as_markdown, as_text, at_most, comparison, ratio, short

FIGURES = {
    "floor": [{"us": 10.0}, {"us": 20.0}, {"us": 40.0}],
    "openai": [{"us": 70.0}, {"us": 140.0}, {"us": 240.0}],
}


def test_a_ratio_is_the_median_of_the_ratios_within_each_round() -> None:
    assert 7.0 == ratio(FIGURES, "openai", "floor", "us")


def test_a_ratio_to_a_peer_without_figures_is_unknown() -> None:
    assert ratio(FIGURES, "openai", "litellm", "us") is None


def test_a_comparison_lists_the_cheapest_first_and_names_who_failed() -> None:
    table = comparison(FIGURES, {"litellm": "not installed"}, key="us", unit="us", bases=["floor", "litellm"])

    assert ["peer", "us", "min … max", "x floor"] == table.header
    assert [
        ["floor", "20.0", "10.0 … 40.0", "1.00"],
        ["openai", "140", "70.0 … 240", "7.00"],
        ["litellm", "not installed", "", ""],
    ] == table.rows


@pytest.mark.parametrize(
    "measured, verdict, words",
    [
        (1.2, "met", "1.20x floor"),
        (1.21, "**not met**", "1.21x floor"),
        (None, "not measured", "not measured"),
    ],
)
def test_a_goal_says_whether_it_is_met(measured: float | None, verdict: str, words: str) -> None:
    goal = at_most("CPU", 1.2, measured, than="floor")

    assert ("≤ 1.2x floor", words, verdict) == (goal.goal, goal.measured, goal.verdict)


@pytest.mark.parametrize("value, shown", [(None, "n/a"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")])
def test_a_figure_has_as_many_digits_as_mean_something(value: float | None, shown: str) -> None:
    assert shown == short(value)


SECTION = Section(
    title="A subject",
    method="How.",
    tables=[Table(header=["peer", "us"], rows=[["us", "1"], ["litellm", "a | b"]], caption="What")],
    goals=[
        Goal(what="one", goal="≤ 1", measured="2", met=False),
        Goal(what="two", goal="≤ 1", measured="1", met=True),
        Goal(what="three", goal="≤ 1", measured="not measured", met=None),
    ],
)


def test_a_section_is_aligned_on_a_terminal() -> None:
    lines = as_text(SECTION).splitlines()

    assert "peer     us" in lines
    assert "litellm  a | b" in lines
    assert "one    ≤ 1   2             not met" in lines


def test_a_section_is_markdown_on_the_page() -> None:
    text = as_markdown(SECTION)

    assert "## A subject\n\nHow.\n\nWhat:\n\n| peer | us |\n| --- | ---: |\n| us | 1 |\n| litellm | a \\| b |" in text
    assert "| one | ≤ 1 | 2 | **not met** |" in text


def test_the_page_says_first_how_many_goals_are_missed() -> None:
    page = render(
        [SECTION], today=dt.date(2026, 11, 23), machine="2 cores, Python 3.11.7", peers={"own": ["openai 3.54.0"]}
    )

    assert "Measured on 2026-11-23 with 2 cores, Python 3.11.7." in page
    assert "1 of 3 goals are met, **1 is not**, 1 could not be measured." in page
    assert "| own | openai 3.54.0 |" in page
    assert page.index("| one |") < page.index("## How it is measured") < page.index("## A subject")


def test_the_page_names_what_is_in_every_environment() -> None:
    assert {OWN, *PEERS} == set(SHOWN)


def test_the_page_says_how_busy_the_machine_was() -> None:
    assert machine([1.25, 4.0, 2.0]).endswith("load 1.2 to 4.0 with the benchmark's own")
