"""F05-F21 and F46: the server refuses, or is in trouble, and says so with a status."""

from __future__ import annotations

import pytest

from convoscope_jupyter.messages import ModelRef
from convoscope_jupyter.providers._catalogue import suggested_models
from tests.faults import plays
from tests.faults.checks import assert_nothing_lost_or_leaked, check_alone, check_passing, check_with_a_next_one
from tests.faults.rows import each, is_retried
from tests.faults.table import STATUS_CODES, WIRES, Fault
from tests.faults.world import World
from tests.support.anthropic_wire import ANTHROPIC
from tests.support.every_wire import over
from tests.support.gemini_wire import GOOGLE
from tests.support.openai_wire import OPENAI_CHAT
from tests.support.wires import KEY, Wire


@each(STATUS_CODES)
def test_alone_it_is_told_and_retried_as_the_table_says(world: World, fault: Fault, wire: Wire) -> None:
    check_alone(world, fault, wire)


@each(STATUS_CODES)
def test_the_next_model_is_asked_or_nobody_as_the_table_says(world: World, fault: Fault, wire: Wire) -> None:
    check_with_a_next_one(world, fault, wire)


@each(STATUS_CODES, is_retried)
def test_when_it_passes_the_same_model_answers(world: World, fault: Fault, wire: Wire) -> None:
    check_passing(world, fault, wire)


@each(STATUS_CODES, lambda fault: fault.id == "F08" and fault.kind == "model_not_found")
def test_near_names_are_suggested(world: World, fault: Fault, wire: Wire) -> None:
    vendor = {"anthropic": "anthropic", "google": "google"}.get(wire.name)
    near = suggested_models(vendor)[0] if vendor else "model"
    world.begin({"server": world.provider(fault, wire)}, f"server:{near}x")
    outcome = world.ask()

    # Of a server of one's own, nobody knows the models.
    assert (f"Did you mean {near}" in str(outcome.error)) == (vendor is not None)
    assert f"has no model '{near}x'" in str(outcome.error)


_WINDOWS = {
    "openai-chat": ("openai:gpt-4.1", "google:gemini-2.5-flash", "anthropic:claude-3-haiku"),
    "openai-responses": ("openai:gpt-4.1", "google:gemini-2.5-flash", "anthropic:claude-3-haiku"),
    "anthropic": ("anthropic:claude-3-haiku", "google:gemini-2.5-flash", "openai:gpt-3.5-turbo"),
    "google": ("google:gemini-2.5-flash", "openai:gpt-5.4", "openai:gpt-3.5-turbo"),
}
"""A model, one with a larger window, and one with a smaller."""


@pytest.mark.parametrize("fits", [True, False], ids=["larger", "smaller"])
@each(STATUS_CODES, lambda fault: fault.id == "F11")
def test_what_is_too_long_goes_to_a_larger_window_only(world: World, fault: Fault, wire: Wire, *, fits: bool) -> None:
    asked, larger, smaller = _WINDOWS[wire.name]
    vendor, _, _ = asked.partition(":")
    next_one = larger if fits else smaller
    next_vendor, _, _ = next_one.partition(":")
    other = {"openai": OPENAI_CHAT, "anthropic": ANTHROPIC, "google": GOOGLE}[next_vendor]
    healthy = world.serve(other.stream())
    providers = {vendor: world.provider(fault, wire), next_vendor: other.provider(healthy.url, KEY)}
    world.begin(providers, f"{asked}, {next_one}")
    outcome = world.ask()

    assert (["context_too_long", None] if fits else ["context_too_long"]) == outcome.kinds
    assert int(fits) == len(healthy.requests)
    assert (ModelRef.parse(next_one) if fits else None) == outcome.response.answered_by
    assert_nothing_lost_or_leaked(world, outcome, text="Hello" if fits else "")


_IN_A_SECOND = Fault(
    id="F14",
    happens="429 until a second later",
    phase="status codes",
    play=plays.refusal(
        "rate_limited", Date="Sun, 22 Nov 2026 12:00:00 GMT", Retry_After="Sun, 22 Nov 2026 12:00:01 GMT"
    ),
    kind="rate_limited",
    retry_after_s=1.0,
)


@over(*WIRES)
def test_f14_nobody_is_asked_again_before_the_date(world: World, wire: Wire) -> None:
    check_passing(world, _IN_A_SECOND, wire)
