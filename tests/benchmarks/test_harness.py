"""The benchmark's own machinery, over the floor and this package, in this environment. No time is looked at."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import faults, mid_stream
from tests.benchmarks.fleet import Bench, PeerFailed, interleave
from tests.benchmarks.peers import Target
from tests.benchmarks.wires import CHARACTERS, WIRES, Wire

CHUNKS = 50


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(quick=True, python=Path(sys.executable), home=tmp_path_factory.mktemp("bench")) as bench:
        yield bench


@pytest.mark.parametrize("name", ["floor", "us"])
@pytest.mark.parametrize("wire", WIRES)
def test_every_character_of_a_burst_is_counted(bench: Bench, name: str, wire: Wire) -> None:
    answer = bench.ask(name, Target(wire=wire, url=bench.url(f"burst-{CHUNKS}")), times=2)

    assert [(None, CHUNKS * CHARACTERS)] * 2 == [(of["error"], of["characters"]) for of in answer["outcomes"]]


def test_many_at_once_lose_nothing(bench: Bench) -> None:
    answer = bench.ask("us:async", Target(wire="chat", url=bench.url(f"burst-{CHUNKS}")), at_once=5)

    assert ([], 5 * CHUNKS * CHARACTERS) == (answer["errors"], answer["characters"])


def test_the_second_address_answers_and_the_requests_of_the_first_are_counted(bench: Bench) -> None:
    run = faults.run(bench, "us", "status-500", tuned=False, cap_s=10.0, questions=2)

    assert run.error is None
    assert run.hits is not None
    assert 1 == run.hits[0]
    assert None not in run.first_ms


def test_a_truncated_answer_is_reported_with_what_came(bench: Bench) -> None:
    ended = mid_stream.outcome(bench, "us", "chat", "cut")

    assert (mid_stream.TYPED, mid_stream.CHUNKS * CHARACTERS) == (ended["error"], ended["characters"])


def test_a_peer_that_cannot_do_it_is_named_and_the_others_go_on() -> None:
    def once(name: str) -> dict[str, float]:
        if name == "broken":
            raise PeerFailed("not installed")
        return {"figure": 1.0}

    results, failed = interleave(["one", "broken", "two"], 2, once)

    assert {"one": [{"figure": 1.0}] * 2, "two": [{"figure": 1.0}] * 2} == results
    assert {"broken": "not installed"} == failed


def test_a_worker_says_what_it_cannot_do(bench: Bench) -> None:
    with pytest.raises(PeerFailed, match="its process has ended"):
        bench.ask("nobody", Target(wire="chat", url=bench.url("burst-1")), times=1)
