"""What a session knows of its providers besides their settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from convoscope_jupyter._provider_board import ProviderBoard, ProviderHealth, health_after
from convoscope_jupyter.errors import UnknownProvider
from convoscope_jupyter.messages import Attempt, ErrorKind, ModelRef
from tests.support.scripted import Scripted

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORKED = Attempt(model=ModelRef(provider="p", name="m"), started_at=NOON, duration_s=2.0)
LIMITED = replace(WORKED, error_kind="rate_limited", error_message="Wait 9 s.", retry_after_s=9.0)

ABOUT_THE_QUESTION = {
    "missing_credentials",
    "model_not_found",
    "context_too_long",
    "content_filtered",
    "invalid_request",
    "cancelled",
}


def test_a_provider_that_was_never_asked_is_unknown() -> None:
    assert ProviderHealth(state="unknown") == health_after(None, now=NOON)


def test_a_provider_that_answered_is_ok() -> None:
    assert ProviderHealth(state="ok") == health_after(WORKED, now=NOON)


def test_a_provider_that_asked_to_wait_is_cooling_until_then() -> None:
    asked_at = NOON + timedelta(seconds=2)

    assert ProviderHealth(state="cooling", note="Wait 9 s.", retry_in_s=9.0) == health_after(LIMITED, now=asked_at)
    assert 0.5 == health_after(LIMITED, now=asked_at + timedelta(seconds=8.5)).retry_in_s
    assert ProviderHealth() == health_after(LIMITED, now=asked_at + timedelta(seconds=9))


def test_a_provider_that_failed_without_a_time_is_failing() -> None:
    down = replace(WORKED, error_kind="connection_failed", error_message="Nothing answers at 127.0.0.1:1.")

    assert ProviderHealth(state="failing", note="Nothing answers at 127.0.0.1:1.") == health_after(down, now=NOON)


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_only_what_will_meet_the_next_question_too_is_held_against_a_provider(kind: ErrorKind) -> None:
    board = ProviderBoard({"p": Scripted(m=[[]])})
    board.note([WORKED, replace(WORKED, error_kind=kind)])

    assert ("ok" if kind in ABOUT_THE_QUESTION else "failing") == board.health("p").state


def test_the_last_attempt_counts_and_each_provider_for_itself() -> None:
    board = ProviderBoard({"p": Scripted(m=[[]]), "q": Scripted(m=[[]])})
    board.note([replace(WORKED, error_kind="overloaded"), WORKED])

    assert ("ok", "unknown") == (board.health("p").state, board.health("q").state)


async def test_models_are_listed_on_request_only_and_once() -> None:
    provider = Scripted(small=[[]], large=[[]])
    board = ProviderBoard({"p": provider})
    assert ((), []) == (board.known_models("p"), provider.listed)

    lists = [await board.list_models("p"), await board.list_models("p")]

    assert ([("large", "small")] * 2, ("large", "small"), ["p"]) == (lists, board.known_models("p"), provider.listed)
    await board.list_models("p", refresh=True)
    assert ["p", "p"] == provider.listed


async def test_a_provider_that_is_not_there_has_no_list() -> None:
    with pytest.raises(UnknownProvider, match="no provider 'q'"):
        await ProviderBoard({"p": Scripted(m=[[]])}).list_models("q")


async def test_another_address_has_another_list() -> None:
    provider = Scripted(m=[[]])
    board = ProviderBoard({"p": provider})
    await board.list_models("p")

    provider.host = "elsewhere.example"

    assert () == board.known_models("p")


def test_models_are_suggested_before_they_are_listed() -> None:
    assert "gpt-5-mini" in ProviderBoard({"openai": Scripted(m=[[]])}).known_models("openai")
