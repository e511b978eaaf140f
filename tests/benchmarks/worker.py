"""One peer in a process of its own, told by lines of JSON what to do: `python -m tests.benchmarks.worker NAME`.

It answers each line with one line. CPU is that of the whole process, all its threads.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from tests.benchmarks.peers import Asker, Open, Sink, Target


def peak_rss_mib() -> float | None:
    """The most memory this process has had, or `None` where the system does not tell."""
    # Not getrusage: on Linux its figure starts with that of the parent, before exec.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else None


SETTLE_S = 0.01
"""What a peer still does after its last answer, in other threads and tasks, is paid for too."""


class Worker:
    """Carries out commands."""

    def __init__(self, name: str) -> None:
        module = "tests.benchmarks.ours" if name.split(":", maxsplit=1)[0] == "us" else "tests.benchmarks.peers"
        opened: dict[str, Open] = importlib.import_module(module).OPEN
        self._open = opened[name]
        self._askers: dict[Target, Asker] = {}

    async def carry_out(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command.

        Args:
            command: `target`, and either `times` or `at_once`; `cap_s` bounds each question.
        """
        target = Target(**command["target"])
        asker = self._askers.get(target)
        if asker is None:
            asker = self._askers[target] = self._open(target)
        gc.collect()  # the garbage of the last command is not this one's cost
        if "at_once" in command:
            return await self._many(asker, command["at_once"])
        return await self._one_by_one(asker, command["times"], command.get("cap_s"))

    async def _one_by_one(self, asker: Asker, times: int, cap_s: float | None) -> dict[str, Any]:
        outcomes = []
        preparing_s = 0.0
        cpu_s = time.process_time()
        # One after the other without a pause: an idle moment makes the next answer slow for everybody, which would hide
        # what the peers differ in.
        for _ in range(times):
            outcomes.append(await _timed(asker, cap_s))
            before_s = time.thread_time()
            asker.prepare()
            preparing_s += time.thread_time() - before_s
        await asyncio.sleep(SETTLE_S)
        return {"outcomes": outcomes, "cpu_s": time.process_time() - cpu_s - preparing_s}

    async def _many(self, asker: Asker, at_once: int) -> dict[str, Any]:
        sinks = [Sink() for _ in range(at_once)]
        for _ in sinks:
            asker.prepare()
        started_s, cpu_s = time.perf_counter(), time.process_time()
        ended = await asyncio.gather(*(asker.ask(sink) for sink in sinks), return_exceptions=True)
        wall_s = time.perf_counter() - started_s
        await asyncio.sleep(SETTLE_S)
        return {
            "cpu_s": time.process_time() - cpu_s,
            "wall_s": wall_s,
            "characters": sum(len(part) for sink in sinks for part in sink.parts),
            "errors": sorted({_words(error) for error in ended if isinstance(error, BaseException)}),
            "peak_rss_mib": peak_rss_mib(),
        }


async def _timed(asker: Asker, cap_s: float | None) -> dict[str, Any]:
    sink = Sink()
    error: str | None = None
    started_s = time.perf_counter()
    cap = asyncio.timeout(cap_s)
    try:
        async with cap:
            await asker.ask(sink)
    except TimeoutError as timeout:
        error = f"over {cap_s:g} s" if cap.expired() else _words(timeout)
    except Exception as raised:  # noqa: BLE001 - whatever a peer raises is what it reports
        error = _words(raised)
    characters = len("".join(sink.parts))
    ended_s = time.perf_counter()
    return {
        "characters": characters,
        "wall_s": ended_s - started_s,
        "first_s": None if sink.first_at_s is None else sink.first_at_s - started_s,
        "error": error,
    }


def _words(error: BaseException) -> str:
    kind = type(error)
    package = kind.__module__.split(".", maxsplit=1)[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"


def main(name: str, commands: TextIO, answers: TextIO) -> None:
    """Until the commands end."""
    with asyncio.Runner() as runner:
        worker = Worker(name)
        for line in commands:
            answer: dict[str, Any]
            try:
                answer = runner.run(worker.carry_out(json.loads(line)))
            except Exception as error:  # noqa: BLE001 - the driver shows it, and goes on with the others
                answer = {"broken": f"{_words(error)}: {error}"[:300]}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
        answers.close()
        os._exit(0)  # a peer's threads and clients must not keep the benchmark


if __name__ == "__main__":
    # Peers print; the answers keep standard output to themselves.
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    main(sys.argv[1], sys.stdin, kept)
