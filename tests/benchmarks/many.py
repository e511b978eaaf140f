"""Many answers at the same time, in one process."""

from __future__ import annotations

from tests.benchmarks.fleet import Bench, PeerFailed, interleave
from tests.benchmarks.peers import Target
from tests.benchmarks.report import Goal, Section, at_most, comparison, median, ratio
from tests.benchmarks.wires import CHARACTERS

PEERS = ("floor", "floor:httpx2", "openai", "us:async", "langchain", "pydantic-ai", "litellm")
CHUNKS = 200


def measure(bench: Bench) -> Section:
    """A new process for each measurement: the peak of memory is of this one alone."""
    at_once, rounds = (50, 1) if bench.quick else (200, 2)
    whole = at_once * CHUNKS * CHARACTERS
    target = Target(wire="chat", url=bench.url(f"burst-{CHUNKS}"))

    def once(name: str) -> dict[str, float]:
        bench.dismiss(name)
        bench.ask(name, target, times=1)  # what is made once: imports, the client
        answer = bench.ask(name, target, at_once=at_once)
        bench.dismiss(name)
        if answer["errors"]:
            raise PeerFailed(", ".join(answer["errors"]))
        lost = whole - answer["characters"]
        if lost and name != "us:async":
            raise PeerFailed(f"{lost} of {whole} characters lost")
        memory = {} if answer["peak_rss_mib"] is None else {"peak_rss_mib": answer["peak_rss_mib"]}
        return {"cpu_s": answer["cpu_s"], "wall_s": answer["wall_s"], "lost": lost, **memory}

    figures, failed = interleave(PEERS, rounds, once, warm_up=False)
    bases = ["floor", "openai"]
    remembers = all("peak_rss_mib" in each for of in figures.values() for each in of)
    keys = [("cpu_s", "CPU s"), ("wall_s", "wall s"), *([("peak_rss_mib", "peak RSS MiB")] if remembers else [])]
    ours = figures.get("us:async")
    lost = None if not ours else max(each["lost"] for each in ours)
    goals = [
        at_most(f"{at_once} streams at once, CPU", 0.5, ratio(figures, "us:async", "openai", "cpu_s"), than="openai")
    ]
    if remembers:
        measured = ratio(figures, "us:async", "openai", "peak_rss_mib")
        goals.append(at_most(f"{at_once} streams at once, peak RSS", 1.0, measured, than="openai"))
    goals.append(
        Goal(
            what=f"{at_once} streams at once, characters lost",
            goal="0",
            measured="not measured" if lost is None else f"{lost:g} of {whole:,}",
            met=None if lost is None else lost == 0,
        )
    )
    return Section(
        title="Many streams at once",
        method=f"{at_once} questions at the same time over one process, each answered with {CHUNKS} chunks in a burst; "
        f"{rounds} rounds, a new process for each. Ours: {at_once} sessions, one store in memory, `ask_async` gathered"
        + ("." if not ours else f", {median(each['wall_s'] for each in ours):.1f} s in all."),
        tables=[comparison(figures, failed, key=key, unit=unit, bases=bases, caption=unit) for key, unit in keys],
        goals=goals,
    )
