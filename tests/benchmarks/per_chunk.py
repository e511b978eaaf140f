"""CPU of one streamed chunk, from the public API to the joined text."""

from __future__ import annotations

from tests.benchmarks.fleet import Bench, PeerFailed, interleave
from tests.benchmarks.peers import Target
from tests.benchmarks.report import Section, Table, at_most, comparison, ratio
from tests.benchmarks.wires import CHARACTERS, WIRES, Wire

PEERS: dict[Wire, tuple[str, ...]] = {
    "chat": (
        "floor",
        "floor:httpx2",
        "openai",
        "us",
        "us:stream",
        "litellm",
        "litellm:router",
        "pydantic-ai",
        "chatlas",
        "langchain",
    ),
    "responses": ("floor", "openai", "us", "pydantic-ai", "chatlas", "langchain"),
    "anthropic": ("floor", "anthropic", "us", "litellm", "pydantic-ai", "chatlas", "langchain"),
    "gemini": ("floor", "google-genai", "us"),
}
SDK: dict[Wire, str] = {"chat": "openai", "responses": "openai", "anthropic": "anthropic", "gemini": "google-genai"}
NAMES: dict[Wire, str] = {
    "chat": "OpenAI Chat Completions",
    "responses": "OpenAI Responses",
    "anthropic": "Anthropic Messages",
    "gemini": "Google Gemini",
}
BOUND_X_SDK: dict[Wire, float] = {"chat": 0.2, "responses": 0.2, "anthropic": 0.6, "gemini": 1.1}


def cpu_per_chunk(bench: Bench, name: str, target: Target, chunks: int) -> dict[str, float]:
    """One answer; refused unless every character came."""
    answer = bench.ask(name, target, times=1)
    (outcome,) = answer["outcomes"]
    if outcome["error"]:
        raise PeerFailed(outcome["error"])
    if outcome["characters"] != chunks * CHARACTERS:
        raise PeerFailed(f"{outcome['characters']} characters of {chunks * CHARACTERS}")
    return {"us_per_chunk": answer["cpu_s"] / chunks * 1e6}


def measure(bench: Bench) -> Section:
    """All four formats in a burst, and one of them paced."""
    chunks, rounds = (1000, 5) if bench.quick else (2000, 9)
    tables: list[Table] = []
    goals = []
    for wire in WIRES:
        target = Target(wire=wire, url=bench.url(f"burst-{chunks}"))
        figures, failed = interleave(
            PEERS[wire],
            rounds,
            lambda name, target=target: cpu_per_chunk(bench, name, target, chunks),  # type: ignore[misc]  # bound now
        )
        tables.append(
            comparison(
                figures,
                failed,
                key="us_per_chunk",
                unit="CPU us a chunk",
                bases=["floor", SDK[wire]],
                caption=f"{NAMES[wire]}, burst",
            )
        )
        for base, bound in (("floor", 1.2), (SDK[wire], BOUND_X_SDK[wire])):
            if (wire, base) != ("gemini", "floor"):
                measured = ratio(figures, "us", base, "us_per_chunk")
                goals.append(at_most(f"CPU per chunk, {NAMES[wire]}", bound, measured, than=base))
    tables.append(_paced(bench))
    return Section(
        title="CPU per streamed chunk",
        method=f"One answer of {chunks:,} chunks of {CHARACTERS} characters, sent in a burst, from the question to the "
        f"joined text. {rounds} rounds. `us` is `session.ask(…).text`, `us:stream` is the loop over "
        "`session.stream(…)`.",
        tables=tables,
        goals=goals,
    )


def _paced(bench: Bench) -> Table:
    chunks, rounds = (300, 3) if bench.quick else (1000, 5)
    target = Target(wire="chat", url=bench.url(f"paced-{chunks}"))
    names = ("floor", "floor:httpx2", "openai", "us", "us:stream", "litellm", "pydantic-ai")
    figures, failed = interleave(names, rounds, lambda name: cpu_per_chunk(bench, name, target, chunks))
    return comparison(
        figures,
        failed,
        key="us_per_chunk",
        unit="CPU us a chunk",
        bases=["floor", "openai"],
        caption=f"OpenAI Chat Completions, {chunks:,} chunks 1 ms apart: waking up costs more than reading",
    )
