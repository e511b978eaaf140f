"""Time to the first text and CPU of a short answer, when nothing is wrong."""

from __future__ import annotations

from tests.benchmarks.fleet import Bench, PeerFailed, interleave
from tests.benchmarks.peers import Target
from tests.benchmarks.per_chunk import NAMES, PEERS, SDK
from tests.benchmarks.report import Section, Table, at_most, comparison, median, ratio
from tests.benchmarks.wires import CHARACTERS, WIRES

CHUNKS = 3


def short_answers(bench: Bench, name: str, target: Target, requests: int) -> dict[str, float]:
    """Some short answers, one after the other, over connections that are kept."""
    answer = bench.ask(name, target, times=requests)
    for outcome in answer["outcomes"]:
        if outcome["error"]:
            raise PeerFailed(outcome["error"])
        if outcome["characters"] != CHUNKS * CHARACTERS or outcome["first_s"] is None:
            raise PeerFailed(f"{outcome['characters']} characters of {CHUNKS * CHARACTERS}")
    return {
        "first_ms": median(outcome["first_s"] for outcome in answer["outcomes"]) * 1e3,
        "whole_ms": median(outcome["wall_s"] for outcome in answer["outcomes"]) * 1e3,
        "cpu_ms": answer["cpu_s"] / requests * 1e3,
    }


def measure(bench: Bench) -> Section:
    """All four formats, and the commit to disk apart."""
    requests, rounds = (20, 5) if bench.quick else (40, 7)
    tables: list[Table] = []
    goals = []
    for wire in WIRES:
        target = Target(wire=wire, url=bench.url(f"burst-{CHUNKS}"), watched=True)
        names = [*PEERS[wire], *(["us:disk"] if wire == "chat" else [])]
        figures, failed = interleave(
            names,
            rounds,
            lambda name, target=target: short_answers(bench, name, target, requests),  # type: ignore[misc]  # bound now
        )
        if wire == "chat":
            disk = {name: of for name, of in figures.items() if name in {"us", "us:disk"}}
            figures = {name: of for name, of in figures.items() if name != "us:disk"}
        else:
            disk = {}
        bases = ["floor", SDK[wire]]
        for key, unit in (("first_ms", "first text ms"), ("cpu_ms", "CPU ms a request")):
            caption = f"{NAMES[wire]}, {unit.split(' ms')[0]}"
            tables.append(comparison(figures, failed, key=key, unit=unit, bases=bases, caption=caption))
        if disk:
            caption = "The commits to disk: the same question with `store=` a file, until the whole answer is stored"
            tables.append(comparison(disk, {}, key="whole_ms", unit="whole turn ms", bases=["us"], caption=caption))
        measured = ratio(figures, "us", SDK[wire], "first_ms")
        goals.append(at_most(f"time to first text, {NAMES[wire]}", 1.1, measured, than=SDK[wire]))
    return Section(
        title="Time to first text, nothing wrong",
        method=f"Answers of {CHUNKS} chunks without delay, {requests} a round over kept connections, {rounds} rounds: "
        "from the call to the first text in the caller's hands. Ours with routing and breaker on, nothing kept on "
        "disk, a new session for each question, the text taken by `on_delta`.",
        tables=tables,
        goals=goals,
    )
