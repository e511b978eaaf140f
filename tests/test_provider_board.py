"""What a session knows of its providers besides their settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convoscope_jupyter._breaker import Breakers, Circuit, Standing
from convoscope_jupyter._provider_board import ProviderBoard, ProviderHealth, health_of
from convoscope_jupyter.errors import UnknownProvider
from convoscope_jupyter.messages import Attempt, ModelRef, utc_now
from convoscope_jupyter.providers._demo import Demo
from tests.support.scripted import Scripted

WORKED = Attempt(model=ModelRef(provider="p", name="m"), started_at=utc_now(), duration_s=2.0)
LIMITED = replace(WORKED, error_kind="rate_limited", error_message="Wait 9 s.", retry_after_s=30.0)
MODELS = [ModelRef(provider="p", name="m"), ModelRef(provider="p", name="n"), ModelRef(provider="q", name="m")]


class World:
    """Two providers, a clock that stands still, and what became of requests."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.breakers = Breakers(lambda: self.now_s)
        self.provider = Scripted(m=[[]])
        self.board = ProviderBoard({"p": self.provider, "q": Scripted(m=[[]])}, self.breakers)

    def ended(self, attempt: Attempt) -> None:
        circuit = Circuit(self.provider.endpoint("p", "m"), "m")
        started_s = self.breakers.start(circuit, always=True)
        assert started_s is not None
        self.breakers.end(circuit, attempt, started_s=started_s)


@pytest.mark.parametrize(
    ("standing", "health"),
    [
        (Standing(), ProviderHealth(state="unknown")),
        (Standing(answered=True), ProviderHealth(state="ok")),
        (
            Standing(phase="open", left_s=9.0, cause="rate_limited", note="Wait 9 s."),
            ProviderHealth(state="cooling", note="Wait 9 s.", retry_in_s=9.0),
        ),
        (
            Standing(phase="open", cause="authentication", note="Rejected."),
            ProviderHealth(state="cooling", note="Rejected."),
        ),
        (
            Standing(phase="demoted", left_s=9.0, cause="timed_out", note="Too slow."),
            ProviderHealth(state="demoted", note="Too slow.", retry_in_s=9.0),
        ),
        (Standing(cause="timed_out", note="Too slow."), ProviderHealth(state="failing", note="Too slow.")),
        (
            Standing(phase="half_open", cause="timed_out", note="Too slow."),
            ProviderHealth(state="failing", note="Too slow."),
        ),
    ],
    ids=["never asked", "answered", "open", "open until the key changes", "demoted", "lapsed", "half open"],
)
def test_what_the_breaker_knows_is_told_in_words_for_people(standing: Standing, health: ProviderHealth) -> None:
    assert health == health_of(standing)


def test_the_last_attempt_counts_and_each_provider_for_itself() -> None:
    world = World()
    world.ended(replace(WORKED, error_kind="overloaded"))
    assert "demoted" == world.board.health("p", MODELS).state

    world.ended(WORKED)

    assert ("ok", "unknown") == (world.board.health("p", MODELS).state, world.board.health("q", MODELS).state)


def test_a_provider_that_asked_to_wait_is_cooling_until_then() -> None:
    world = World()
    world.ended(LIMITED)

    world.now_s = 29.5
    assert ProviderHealth(state="cooling", note="Wait 9 s.", retry_in_s=0.5) == world.board.health("p", MODELS)
    world.now_s = 30.0
    assert "failing" == world.board.health("p", MODELS).state


def test_another_key_or_address_has_no_past() -> None:
    world = World()
    world.ended(replace(WORKED, error_kind="authentication"))
    assert ("cooling", None) == (world.board.health("p", MODELS).state, world.board.health("p", MODELS).retry_in_s)

    world.provider.host = "elsewhere.example"

    assert "unknown" == world.board.health("p", MODELS).state


def test_a_model_that_is_not_known_there_is_held_and_its_provider_is_not() -> None:
    world = World()
    world.ended(replace(WORKED, error_kind="model_not_found", error_message="No model m."))

    held = ProviderHealth(state="cooling", note="No model m.", retry_in_s=20.0)
    assert ({"m": held}, {}) == (world.board.held_models("p", MODELS), world.board.held_models("q", MODELS))
    assert "unknown" == world.board.health("p", MODELS).state


def test_each_model_of_the_demo_stands_for_itself() -> None:
    breakers = Breakers(lambda: 0.0)
    board = ProviderBoard({"demo": Demo()}, breakers)
    circuit = Circuit(Demo().endpoint("demo", "fail-429"), "fail-429")
    breakers.end(circuit, LIMITED, started_s=0.0)

    models = [ModelRef(provider="demo", name=name) for name in ("fail-429", "echo")]
    assert (["fail-429"], "unknown") == (list(board.held_models("demo", models)), board.health("demo", models).state)
    assert ([], "cooling") == (list(board.held_models("demo", models[:1])), board.health("demo", models[:1]).state)


async def test_models_are_listed_on_request_only_and_once() -> None:
    provider = Scripted(small=[[]], large=[[]])
    board = ProviderBoard({"p": provider}, Breakers())
    assert ((), []) == (board.known_models("p"), provider.listed)

    lists = [await board.list_models("p"), await board.list_models("p")]

    assert ([("large", "small")] * 2, ("large", "small"), ["p"]) == (lists, board.known_models("p"), provider.listed)
    await board.list_models("p", refresh=True)
    assert ["p", "p"] == provider.listed


async def test_a_provider_that_is_not_there_has_no_list() -> None:
    with pytest.raises(UnknownProvider, match="no provider 'q'"):
        await ProviderBoard({"p": Scripted(m=[[]])}, Breakers()).list_models("q")


async def test_another_address_has_another_list() -> None:
    provider = Scripted(m=[[]])
    board = ProviderBoard({"p": provider}, Breakers())
    await board.list_models("p")

    provider.host = "elsewhere.example"

    assert () == board.known_models("p")


def test_models_are_suggested_before_they_are_listed() -> None:
    assert "gpt-5-mini" in ProviderBoard({"openai": Scripted(m=[[]])}, Breakers()).known_models("openai")
