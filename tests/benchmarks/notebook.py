"""What the chat costs in a notebook: until it is ready, and what an answer puts on the wire to a view."""

from __future__ import annotations

import time
from typing import Any

from tests.benchmarks.fleet import Bench, progress
from tests.benchmarks.kernel import Kernel, Published
from tests.benchmarks.peers import KEY
from tests.benchmarks.report import Goal, Section, Table, at_most, median, short
from tests.benchmarks.wires import CHARACTERS

CHUNKS = 5000
HELLO = {"type": "hello", "protocol_version": 1, "last_seq": None}

_PREPARE = """
import json, time
import convoscope_jupyter as cv
from tests.benchmarks import ours, peers

def new_session(url):
    target = peers.Target(wire="chat", url=url)
    return cv.Session("p:" + target.model, providers={"p": ours.provider_at(target, url)}, store=":memory:")

def cpu_of(work):
    time.sleep(0.2)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    wall_s = time.perf_counter() - wall_s
    time.sleep(0.2)  # what is still to be flushed is paid for too
    return {"cpu_s": time.process_time() - cpu_s, "wall_s": wall_s}

def one_message_per_chunk(chat, texts):
    for n, text in enumerate(texts):
        chat.send({"type": "delta", "seq": n, "text": text})
"""


def measure(bench: Bench) -> Section:
    """Both, in real kernels."""
    ready_s = [_ready(bench) for _ in range(2 if bench.quick else 7)]
    rounds = 4 if bench.quick else 10
    with Kernel(bench.home) as kernel:
        kernel.run(_PREPARE)
        _burst(kernel, bench.url(f"burst-{CHUNKS}"), seen_first=True)  # the first one loads the SDK
        bursts = [_burst(kernel, bench.url(f"burst-{CHUNKS}"), seen_first=n % 2 == 0) for n in range(rounds)]
        chunks = 1000 if bench.quick else CHUNKS
        paced = {**_answer_in_view(kernel, bench.url(f"paced-{chunks}")), "chunks": chunks}
    progress("\n")
    return Section(
        title="In a notebook",
        method="A real kernel; a subscriber of its iopub socket counts frames and bytes. An answer of "
        f"{CHUNKS:,} chunks ({CHUNKS * CHARACTERS:,} characters) in a burst: in a session that a shown chat follows, "
        "in one that nothing follows (the difference is what the view costs), and as one message per chunk over the "
        f"same chat's comm. {rounds} rounds in one kernel, in alternating order; CPU is that of the whole kernel, and "
        f"a difference below zero is noise. Then {paced['chunks']:,} chunks 1 ms apart for the rate. `cv.Chat()` in "
        f"{len(ready_s)} new kernels, with a key for OpenAI set: from the cell `import convoscope_jupyter as cv; chat "
        "= cv.Chat(); chat` being sent to the snapshot that answers the view's hello.",
        tables=[_wire_table(bursts, paced), _ready_table(ready_s)],
        goals=_goals(bursts, paced, ready_s),
    )


def _ready(bench: Bench) -> float:
    """Seconds from sending the cell to the snapshot; the SDK loads behind it."""
    address = bench.url("burst-3")
    with Kernel(bench.home, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"{address}/v1") as kernel:
        since = len(kernel.published)
        started_s = time.perf_counter()
        request = kernel.start("import convoscope_jupyter as cv; chat = cv.Chat(); chat")
        comm_id = kernel.opened_chat(since=since)
        kernel.send(comm_id, HELLO)
        snapshot = kernel.event("snapshot", since=since)
        kernel.finish(request)
    progress(".")
    return snapshot.at_s - started_s


def _answer_in_view(kernel: Kernel, url: str) -> dict[str, Any]:
    """An answer in a new session with a shown chat: its cost, and what went over the wire for it."""
    since = len(kernel.published)
    kernel.run(f"session = new_session({url!r}); chat = cv.Chat(session)\nchat")
    comm_id = kernel.opened_chat(since=since)
    kernel.send(comm_id, HELLO)
    kernel.event("snapshot", since=since)
    since = len(kernel.published)
    cost = kernel.run("cost = cpu_of(lambda: session.ask('Go on.'))", cost="json.dumps(cost)")["cost"]
    kernel.event("turn_ended", since=since)
    time.sleep(0.3)
    messages = [each for each in kernel.published[since:] if each.kind == "comm_msg"]
    deltas = [each for each in messages if each.event.get("type") == "delta"]
    return {
        **cost,
        "bytes": sum(each.size_bytes for each in messages),
        "messages": len(messages),
        "deltas": len(deltas),
        "characters": sum(len(each.event["text"]) for each in deltas),
        "most_in_a_second": _most_in_a_second(deltas),
    }


def _most_in_a_second(messages: list[Published]) -> int:
    times = [message.at_s for message in messages]
    return max((sum(start <= at < start + 1.0 for at in times) for start in times), default=0)


def _burst(kernel: Kernel, url: str, *, seen_first: bool) -> dict[str, Any]:
    def answer_unseen() -> dict[str, Any]:
        code = f"alone = new_session({url!r})\ncost = cpu_of(lambda: alone.ask('Go on.'))"
        return dict(kernel.run(code, cost="json.dumps(cost)")["cost"])

    unseen = None if seen_first else answer_unseen()
    seen = _answer_in_view(kernel, url)
    unseen = unseen or answer_unseen()
    since = len(kernel.published)
    code = f"texts = ['word'] * {CHUNKS}\ncost = cpu_of(lambda: one_message_per_chunk(chat, texts))\nchat.close()"
    each = kernel.run(code, cost="json.dumps(cost)")["cost"]
    time.sleep(0.3)
    messages = [message for message in kernel.published[since:] if message.kind == "comm_msg"]
    progress(".")
    return {
        "seen": seen,
        "unseen": unseen,
        "each": {**each, "bytes": sum(message.size_bytes for message in messages), "messages": len(messages)},
    }


def _view_us(burst: dict[str, Any]) -> float:
    return float(burst["seen"]["cpu_s"] - burst["unseen"]["cpu_s"]) / CHUNKS * 1e6


def _wire_table(bursts: list[dict[str, Any]], paced: dict[str, Any]) -> Table:
    def row(name: str, kind: str) -> list[str]:
        of = [burst[kind] for burst in bursts]
        if kind == "unseen":
            wire = ["0", "0", "0"]
        else:
            text_bytes = CHUNKS * CHARACTERS
            size = median(each["bytes"] for each in of)
            wire = [f"{median(each['messages'] for each in of):,.0f}", f"{size:,.0f}", short(size / text_bytes)]
        cpu_us = [each["cpu_s"] / CHUNKS * 1e6 for each in of]
        return [name, *wire, short(median(cpu_us)), f"{short(min(cpu_us))} … {short(max(cpu_us))}"]

    view_us = [_view_us(burst) for burst in bursts]
    rows = [
        row("answer with a chat shown", "seen"),
        row("answer with nothing shown", "unseen"),
        ["what the view costs", "", "", "", short(median(view_us)), f"{short(min(view_us))} … {short(max(view_us))}"],
        row("one message per chunk, no answer", "each"),
        [
            "1 ms apart, chat shown",
            f"{paced['messages']:,}",
            f"{paced['bytes']:,}",
            short(paced["bytes"] / (paced["chunks"] * CHARACTERS)),
            short(paced["cpu_s"] / paced["chunks"] * 1e6),
            "",
        ],
    ]
    header = ["", "messages", "bytes", "bytes a byte of text", "CPU us a chunk", "min … max"]
    return Table(header=header, rows=rows, caption="From the kernel to one view")


def _ready_table(ready_s: list[float]) -> Table:
    return Table(
        header=["", "median s", "min … max"],
        rows=[["cv.Chat() shown and ready", short(median(ready_s)), f"{short(min(ready_s))} … {short(max(ready_s))}"]],
        caption="Until the chat is ready",
    )


def _goals(bursts: list[dict[str, Any]], paced: dict[str, Any], ready_s: list[float]) -> list[Goal]:
    rate = paced["most_in_a_second"]
    ratio = median(burst["seen"]["bytes"] / burst["each"]["bytes"] for burst in bursts)
    lost = max(CHUNKS * CHARACTERS - burst["seen"]["characters"] for burst in bursts)
    return [
        at_most("`cv.Chat()` shown and ready to send", 1.0, median(ready_s), unit=" s"),
        at_most("text messages to a view, most in any second", 20, rate, unit=" a second"),
        at_most("bytes to a view, burst", 0.10, ratio, than="a message per chunk"),
        at_most("CPU of the view, burst", 25, median(map(_view_us, bursts)), unit=" us a chunk"),
        Goal(what="characters lost on the way to a view", goal="0", measured=str(lost), met=lost == 0),
    ]
