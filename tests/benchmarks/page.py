"""The page docs/benchmarks.md: pure, but for what it says of this machine."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence

from tests.benchmarks.environments import FOLDER, OWN, ROOT, why_missing
from tests.benchmarks.report import Goal, Section, Table, as_markdown, pipes, summary

PAGE = ROOT / "docs" / "benchmarks.md"

SHOWN = {
    OWN: ("httpx", "httpx2", "openai", "anthropic", "google-genai", "ipykernel", "anywidget"),
    "aisuite": ("aisuite",),
    "chatlas": ("chatlas", "openai", "anthropic"),
    "langchain": ("langchain-openai", "langchain-anthropic", "openai", "anthropic"),
    "litellm": ("litellm", "openai"),
    "pydantic-ai": ("pydantic-ai-slim", "openai", "anthropic"),
}
"""The packages of each environment that the page names."""

_TOP = """\
# Benchmarks

What convoscope costs, beside the bare floor, the official SDKs and the libraries above them. `make bench` measures it
and writes this page; nothing here is written by hand.

"""

_METHOD = """\
## How it is measured

Every peer is a process of its own, in an environment of its own, that asks one loopback server through the peer's
asynchronous API. The server has its answers encoded before they are asked for. *floor* is httpx with lines split by
hand and `json.loads`: what reading costs when nothing is done with it. The peers are asked in turn, round after round,
so that a noisy moment hits them all. Figures are medians of the rounds; a ratio is the median of the ratios within each
round. Trust the ratios: absolute times are this machine's. CPU is user and system time of the whole client process, all
threads. Whoever loses a character is shown as failed.
"""


def versions() -> dict[str, list[str]]:
    """Of each environment, what is in it that matters, or why it is not there."""
    found: dict[str, list[str]] = {}
    for environment, names in SHOWN.items():
        reason = why_missing(environment)
        if reason is not None:
            found[environment] = [reason]
            continue
        folders = [str(folder) for folder in (FOLDER / environment).glob("lib/python*/site-packages")]
        installed = {of.name: of.version for of in importlib.metadata.distributions(path=folders)}
        found[environment] = [f"{name} {installed[name]}" for name in names if name in installed]
    return found


def render(sections: Sequence[Section], *, today: dt.date, machine: str, peers: Mapping[str, Sequence[str]]) -> str:
    """The page.

    Args:
        sections: What was measured.
        today: The date it bears.
        machine: One line about the machine.
        peers: Versions by environment.
    """
    goals = [goal for section in sections for goal in section.goals]
    environments = Table(header=["environment", "packages"], rows=[[name, ", ".join(of)] for name, of in peers.items()])
    parts = [
        _TOP + f"Measured on {today.isoformat()} with {machine}.\n",
        f"## Goals\n\n{_verdict(goals)}\n\n{pipes(summary(sections), right=False)}\n",
        _METHOD,
        *(as_markdown(section) for section in sections),
        f"## Versions\n\n{pipes(environments, right=False)}\n",
    ]
    return "\n".join(parts)


def _verdict(goals: Sequence[Goal]) -> str:
    met, missed, unknown = (sum(goal.met is value for goal in goals) for value in (True, False, None))
    words = f"{met} of {len(goals)} goals are met"
    words += f", **{missed} {'is' if missed == 1 else 'are'} not**" if missed else ""
    return words + (f", {unknown} could not be measured." if unknown else ".")


def machine(loads: Sequence[float]) -> str:
    """This machine, without its name, and how busy it was.

    Args:
        loads: Its load averages during the run, the benchmark's own work included.
    """
    load = f", load {min(loads):.1f} to {max(loads):.1f} with the benchmark's own" if loads else ""
    return (
        f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}{load}"
    )


def write(sections: Sequence[Section], loads: Sequence[float]) -> None:
    """Write the page into the documentation.

    Args:
        sections: What was measured.
        loads: As in `machine`.
    """
    today = dt.datetime.now(tz=dt.UTC).date()
    text = render(sections, today=today, machine=machine(loads), peers=versions())
    PAGE.write_text(text, encoding="utf-8")
