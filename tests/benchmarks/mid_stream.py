"""Faults after twenty chunks: what is reported, and how much of the text whoever asked has in the end."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.fleet import Bench, PeerFailed, progress
from tests.benchmarks.peers import Target
from tests.benchmarks.per_chunk import NAMES
from tests.benchmarks.report import Goal, Section, Table
from tests.benchmarks.wires import CHARACTERS, WIRES, Wire

CHUNKS = 20
FAULTS = {
    "cut": "clean end, no finish marker",
    "reset": "reset",
    "close": "close",
    "error": "error event",
    "silence": "silence",
}
PEERS: dict[str, Wire] = {
    "us": "chat",
    "openai": "chat",
    "anthropic": "anthropic",
    "google-genai": "gemini",
    "litellm": "chat",
    "litellm:router": "chat",
    "pydantic-ai": "chat",
    "chatlas": "chat",
    "langchain": "chat",
}
TYPED = "convoscope_jupyter.AnswerInterrupted"


def outcome(bench: Bench, name: str, wire: Wire, fault: str) -> dict[str, Any]:
    """What one question ends with."""
    target = Target(wire=wire, url=bench.url(f"{fault}-{CHUNKS}"), tuned=fault != "burst")
    (ended,) = bench.ask(name, target, times=1, cap_s=5.0 if target.tuned else None)["outcomes"]
    return dict(ended)


def measure(bench: Bench) -> Section:
    """Everybody at once for each fault; ours in each format for the one that nobody reports."""
    whole = CHUNKS * CHARACTERS
    # A whole answer first: with a clock of one second, loading an SDK would be a fault of its own.
    bench.ask_together(PEERS, lambda name: outcome(bench, name, PEERS[name], "burst"))
    for wire in WIRES:
        outcome(bench, "us", wire, "burst")
    cells: dict[str, list[str]] = {name: [] for name in PEERS}
    ours: dict[str, dict[str, Any]] = {}
    for fault in FAULTS:
        together = bench.ask_together(PEERS, lambda name, fault=fault: outcome(bench, name, PEERS[name], fault))  # type: ignore[misc]  # bound now
        for name, ended in together.items():
            cells[name].append(_words(ended))
            if name == "us" and not isinstance(ended, PeerFailed):
                ours[fault] = ended
        progress(".")
    cut = {wire: outcome(bench, "us", wire, "cut") for wire in WIRES}
    progress("\n")
    goals = [_goal(f"clean end without finish marker, {NAMES[wire]}", cut[wire], whole) for wire in WIRES]
    goals += [_goal(f"{words} after {CHUNKS} chunks", ours.get(fault), whole) for fault, words in FAULTS.items()]
    return Section(
        title="Faults in the middle of an answer",
        method=f"The answer breaks after {CHUNKS} chunks ({whole} characters), in the peer's own format. Timeouts of 1 "
        "s where they can be set, 5 s of patience. Each cell: what the peer reports, and the characters that whoever "
        "asked has; for ours those of the stored turn, for the others those that their stream had given before.",
        tables=[Table(header=["peer", *FAULTS.values()], rows=[[name, *of] for name, of in cells.items()])],
        goals=goals[: len(WIRES)] + goals[len(WIRES) + 1 :],
    )


def _words(ended: dict[str, Any] | PeerFailed) -> str:
    if isinstance(ended, PeerFailed):
        return str(ended)
    return f"{(ended['error'] or '**success**').split('.')[-1]}, {ended['characters']}"


def _goal(what: str, ended: dict[str, Any] | None, whole: int) -> Goal:
    goal = f"typed, partial kept, 0 of {whole} characters lost"
    if ended is None:
        return Goal(what=what, goal=goal, measured="not measured", met=None)
    lost = whole - ended["characters"]
    return Goal(
        what=what,
        goal=goal,
        measured=f"{(ended['error'] or 'success').split('.')[-1]}, {lost} lost",
        met=ended["error"] == TYPED and lost == 0,
    )
