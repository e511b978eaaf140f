"""F39, F40, F50: answers that a model ends for a reason of its own, and questions that nobody answers."""

from __future__ import annotations

import convoscope_jupyter as cv
from tests.faults.checks import assert_nothing_lost_or_leaked, check_alone, check_told, check_with_a_next_one
from tests.faults.rows import each
from tests.faults.table import ENDS, Fault
from tests.faults.world import World
from tests.support.gemini_wire import GOOGLE
from tests.support.openai_wire import OPENAI_CHAT
from tests.support.wires import KEY, Wire


@each(ENDS)
def test_alone_it_is_told_and_retried_as_the_table_says(world: World, fault: Fault, wire: Wire) -> None:
    check_alone(world, fault, wire)


@each(ENDS)
def test_a_filter_or_a_limit_is_never_dodged(world: World, fault: Fault, wire: Wire) -> None:
    check_with_a_next_one(world, fault, wire)


@each(ENDS, lambda fault: fault.id == "F50")
def test_when_all_fail_one_message_lists_each_try_and_its_reason(world: World, fault: Fault, wire: Wire) -> None:
    refused = world.serve(OPENAI_CHAT.refusals["authentication"])
    with world.servers.serve() as gone:
        nobody_there = gone.url
    world.begin(
        {
            "server": world.provider(fault, wire),
            "strict": OPENAI_CHAT.provider(refused.url, KEY),
            "gone": GOOGLE.provider(nobody_there, KEY),
        },
        "server:model, strict:model, gone:model",
    )
    outcome = world.ask()

    # Those that may pass are asked again when nobody else is left, each as often as it may be.
    assert ["server_error", "authentication", "connection_failed"] == outcome.kinds[:3]
    assert sorted(["server_error", "connection_failed"] * 2) == sorted(map(str, outcome.kinds[3:]))
    assert isinstance(outcome.error, cv.RouteExhausted)
    sentence, *lines = str(outcome.error).splitlines()
    assert outcome.kinds == [error.kind for error in outcome.error.exceptions]
    assert [f"  {n}. {error}" for n, error in enumerate(outcome.error.exceptions, 1)] == lines
    for who, reason in [
        ("server:model", "had a server error"),
        ("strict:model", "rejected the key"),
        ("gone:model", "could not be reached"),
    ]:
        assert f"{who} {reason}" in sentence
    check_told(world, outcome, fault)
    assert_nothing_lost_or_leaked(world, outcome, text="")
