"""A primary that fails before its first text: what the first question pays, and what the next ones pay again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.benchmarks.first_text import CHUNKS
from tests.benchmarks.fleet import Bench, PeerFailed, progress
from tests.benchmarks.peers import BEST_TIMEOUT_S, Target
from tests.benchmarks.report import Goal, Section, Table, at_most, median, short

Fault = Literal["status-500", "status-429", "refused", "hang", "headers", "comments"]
ANSWERED: tuple[Fault, ...] = ("status-500", "status-429", "refused")
SILENT: tuple[Fault, ...] = ("hang", "headers", "comments")
NAMES: dict[Fault, str] = {
    "status-500": "500",
    "status-429": "429",
    "refused": "refused",
    "hang": "hang",
    "headers": "headers, then silence",
    "comments": "SSE comments for ever",
}
PEERS = ("openai", "chatlas", "langchain", "pydantic-ai", "litellm:router", "litellm:group")
HEALTHY = f"burst-{CHUNKS}"
QUESTIONS = 4


@dataclass(frozen=True, kw_only=True)
class Run:
    """One route with a dead primary, asked a few times.

    Args:
        first_ms: From each call to the first text; `None`: there was none, `error` says why.
        hits: Requests the primary had, during the first question and during the others; `None` where it cannot count.
    """

    first_ms: Sequence[float | None]
    hits: tuple[int, int] | None
    error: str | None

    @property
    def later_ms(self) -> float:
        """Of the questions after the first."""
        return median(ms or 0.0 for ms in self.first_ms[1:])


def run(bench: Bench, name: str, mode: str, *, tuned: bool, cap_s: float, questions: int = QUESTIONS) -> Run:
    """Ask a new route whose first address does `mode` and whose second is well."""
    tag = bench.new_tag()
    target = Target(wire="chat", url=bench.url(mode, tag), backup=bench.url(HEALTHY, tag), tuned=tuned, watched=True)
    first_ms: list[float | None] = []
    hits = [0]
    error = None
    for times in (1, questions - 1):
        outcomes = bench.ask(name, target, times=times, cap_s=cap_s)["outcomes"]
        hits.append(bench.hits(mode, tag))
        first_ms += [None if of["first_s"] is None else of["first_s"] * 1e3 for of in outcomes]
        error = error or next((of["error"] for of in outcomes if of["error"]), None)
        if error:
            break
    counted = None if mode in {HEALTHY, "refused"} else (hits[1], hits[-1] - hits[1])
    return Run(first_ms=first_ms, hits=counted, error=error)


@dataclass(kw_only=True)
class Runs:
    """Several runs of one peer and fault, or why there are none."""

    done: list[Run] = field(default_factory=list)
    error: str | None = None

    def add(self, run: Run | PeerFailed) -> None:
        """One more; the first failure stays."""
        if isinstance(run, PeerFailed):
            self.error = self.error or str(run)
        elif run.error:
            self.error = self.error or run.error
        else:
            self.done.append(run)

    @property
    def first(self) -> str:
        return self.error or short(median(run.first_ms[0] or 0.0 for run in self.done))

    @property
    def later(self) -> str:
        if self.error:
            return self.error
        hits = self.hits_later
        return short(median(run.later_ms for run in self.done)) + ("" if hits is None else f" ({hits})")

    @property
    def hits_later(self) -> int | None:
        """The most that any run had."""
        return max((run.hits[1] for run in self.done if run.hits is not None), default=None)


Measured = dict[str, dict[str, Runs]]
"""By mode, by peer."""


def measure(bench: Bench) -> Section:
    """Ours and the peers tuned, then the peers as they come."""
    rounds = 3 if bench.quick else 7
    cap_s = 3.0 if bench.quick else 12.0
    names = ("us", *PEERS)
    tuned = _answered(bench, names, rounds)
    healthy_beside = {fault: Runs() for fault in SILENT}
    for fault in SILENT:
        together = bench.ask_together(PEERS, lambda name, fault=fault: run(bench, name, fault, tuned=True, cap_s=3.0))  # type: ignore[misc]  # bound now
        tuned[fault] = {name: Runs() for name in names}
        for name, of in together.items():
            tuned[fault][name].add(of)
        for _ in range(2 if bench.quick else 7):
            healthy_beside[fault].add(_one(bench, "us", HEALTHY))
            tuned[fault]["us"].add(_one(bench, "us", fault))
        progress(".")
    defaults: Measured = {}
    for fault in (*ANSWERED, *SILENT):
        together = bench.ask_together(
            PEERS,
            lambda name, fault=fault: run(bench, name, fault, tuned=False, cap_s=cap_s, questions=2),  # type: ignore[misc]  # bound now
        )
        defaults[fault] = {name: Runs() for name in names}
        for name, of in together.items():
            defaults[fault][name].add(of)
        defaults[fault]["us"] = tuned[fault]["us"]
        progress(".")
    defaults[HEALTHY] = tuned[HEALTHY]
    progress("\n")
    return Section(
        title="A primary that is down",
        method="A route of two addresses, the first of which fails and the second of which answers at once; "
        f"{rounds} rounds for the faults that are answered. *Tuned*: retries off and a timeout of 1 s for the peers "
        "(litellm also `allowed_fails=0, cooldown_time=30`); ours as it comes, but for a deadline of 1 s for the first "
        "text where the primary says nothing, so that both wait as long. openai and chatlas have no fallback: theirs "
        "is a `try … except` by hand. The later questions come at once after the first, ours in new conversations.",
        tables=[
            _table("First text of the first question, ms, peers as they come", defaults, names, "first"),
            _table("First text of the first question, ms, peers tuned", tuned, names, "first"),
            _table(
                f"First text of the next {QUESTIONS - 1} questions, ms, and in brackets the requests that the dead "
                "primary had meanwhile, peers tuned",
                tuned,
                names,
                "later",
            ),
        ],
        goals=_goals(tuned, healthy_beside),
        notes=[
            (
                f"As they come, the peers were left {cap_s:g} s for an answer. Our own clock for the first text is "
                "on, at 30 s; 120 s for reasoning models, 300 s for servers on this machine, which may load a model."
            ),
        ],
    )


def _answered(bench: Bench, names: Sequence[str], rounds: int) -> Measured:
    """A healthy primary and the faults that are answered at once, interleaved; one round to warm up."""
    measured: Measured = {mode: {name: Runs() for name in names} for mode in (HEALTHY, *ANSWERED)}
    for n in range(rounds + 1):
        for mode in _from(n, list(measured)):
            for name in _from(n, names):
                if measured[mode][name].error is None:
                    of = _one(bench, name, mode)
                    if n or isinstance(of, PeerFailed):
                        measured[mode][name].add(of)
                progress(".")
    return measured


def _from(n: int, names: Sequence[str]) -> list[str]:
    """The same ones, beginning with another each time: nobody always follows the same one."""
    cut = n % len(names)
    return [*names[cut:], *names[:cut]]


def _one(bench: Bench, name: str, mode: str) -> Run | PeerFailed:
    # Ours needs no tuning but for the deadline, and where the primary answers there is none to wait for.
    try:
        return run(bench, name, mode, tuned=name != "us" or mode in SILENT, cap_s=3.0)
    except PeerFailed as error:
        return error


def _table(caption: str, measured: Measured, names: Sequence[str], which: Literal["first", "later"]) -> Table:
    modes = (HEALTHY, *ANSWERED, *SILENT)
    rows = [
        [name, *(of.first if which == "first" else of.later for of in (measured[mode][name] for mode in modes))]
        for name in names
    ]
    header = ["peer", "healthy", *(NAMES[fault] for fault in (*ANSWERED, *SILENT))]
    return Table(header=header, rows=rows, caption=caption)


def _goals(tuned: Measured, healthy_beside: Mapping[Fault, Runs]) -> list[Goal]:
    goals = []
    for fault in ANSWERED:
        pairs = _pairs(tuned[HEALTHY]["us"], tuned[fault]["us"])
        extra = median((of.first_ms[0] or 0.0) - (well.first_ms[0] or 0.0) for well, of in pairs) if pairs else None
        goals.append(
            at_most(f"failover on {NAMES[fault]}, default settings", 5, extra, unit=" ms", than="over healthy")
        )
    for fault in (*ANSWERED, *SILENT):
        of_fault = tuned[fault]["us"]
        pairs = _pairs(healthy_beside.get(fault, tuned[HEALTHY]["us"]), of_fault)
        goals.append(_second_request(fault, pairs, of_fault))
    for fault in SILENT:
        of_fault = tuned[fault]["us"]
        over = median((of.first_ms[0] or 0.0) - BEST_TIMEOUT_S * 1e3 for of in of_fault.done) if of_fault.done else None
        goals.append(at_most(f"no first text, {NAMES[fault]}", 10, over, unit=" ms", than="over the deadline"))
    return goals


def _pairs(well: Runs, of_fault: Runs) -> list[tuple[Run, Run]]:
    if well.error or of_fault.error:
        return []
    return list(zip(well.done, of_fault.done, strict=True))


def _second_request(fault: Fault, pairs: Sequence[tuple[Run, Run]], of_fault: Runs) -> Goal:
    what, goal = f"next requests while the primary is down, {NAMES[fault]}", "0 hits, ≤ 1.1x healthy"
    if not pairs:
        return Goal(what=what, goal=goal, measured=of_fault.error or "not measured", met=None)
    times, hits = median(of.later_ms / well.later_ms for well, of in pairs), of_fault.hits_later
    return Goal(
        what=what,
        goal=goal,
        measured=f"{'' if hits is None else f'{hits} hits, '}{short(times)}x healthy",
        met=not hits and times <= 1.1,
    )
