"""Whom a question goes to, given what the kernel knows of the candidates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter._breaker import Breakers, Circuit, Standing
from convoscope_jupyter._plan import Candidates, held_back, line_of, plan
from convoscope_jupyter.errors import RateLimited, ServerError
from convoscope_jupyter.messages import Attempt, ErrorKind, ModelRef, utc_now
from convoscope_jupyter.providers._base import Provider, ProviderStatus
from tests.support.scripted import OK, Scripted

READY = Standing()
HALF_OPEN = Standing(phase="half_open", cause="overloaded")
DEMOTED = Standing(phase="demoted", left_s=9.0, cause="timed_out", note="Too slow.")
OPEN = Standing(phase="open", left_s=30.2, cause="rate_limited", note="Too many requests.")
MODELS = [ModelRef(provider="p", name=name) for name in "abcd"]


def names(models: tuple[ModelRef, ...]) -> str:
    return "".join(model.name for model in models)


@pytest.mark.parametrize(
    ("standings", "asked", "set_aside"),
    [
        ([READY, READY], "ab", ""),
        ([DEMOTED, READY], "ba", "a"),
        ([READY, DEMOTED], "ab", ""),
        ([DEMOTED, DEMOTED], "ab", ""),
        ([DEMOTED, READY, DEMOTED, READY], "bdac", "ac"),
        ([OPEN, READY], "b", "a"),
        ([OPEN, DEMOTED], "b", "a"),
        ([DEMOTED, OPEN], "a", "b"),
        ([OPEN, OPEN], "", "ab"),
        ([HALF_OPEN, READY], "ab", ""),
        ([DEMOTED, HALF_OPEN], "ba", "a"),
    ],
)
def test_the_user_s_order_before_what_has_just_failed(standings: list[Standing], asked: str, set_aside: str) -> None:
    made = plan(list(zip(MODELS, standings, strict=False)))

    assert (asked, set_aside) == (names(made.ask), names(tuple(model for model, _ in made.set_aside)))


@given(st.lists(st.sampled_from([READY, HALF_OPEN, DEMOTED, OPEN]), min_size=1, max_size=4))
def test_nobody_is_lost_or_asked_twice(standings: list[Standing]) -> None:
    candidates = list(zip(MODELS, standings, strict=False))
    made = plan(candidates)

    assert len(made.ask) == len(set(made.ask))
    assert {model for model, _ in candidates} == {*made.ask, *(model for model, _ in made.set_aside)}
    assert [model for model, standing in candidates if standing.phase == "open"] == [
        model for model, _ in made.set_aside if model not in made.ask
    ]


# --- candidates ----------------------------------------------------------------------------------------


class KeyLess(Scripted):
    def status(self, name: str) -> ProviderStatus:
        return replace(super().status(name), ready=False, remedy="Set a key.")


def world(route: str, **providers: Provider) -> tuple[Candidates, Breakers]:
    breakers = Breakers(lambda: 0.0)
    models = [model for part in route.split(",") if (model := ModelRef.parse(part.strip())) is not None]
    found = {"p": Scripted(a=[OK], b=[OK]), "q": Scripted(a=[OK]), **providers}
    return Candidates(models, found, breakers), breakers


def fails(breakers: Breakers, provider: str, model: str, kind: ErrorKind) -> None:
    ended = Attempt(model=ModelRef(provider=provider, name=model), started_at=utc_now(), duration_s=1, error_kind=kind)
    breakers.end(Circuit(Scripted().endpoint(provider, model), model), ended, started_s=0.0)


def asked(candidates: Candidates) -> list[str]:
    return [str(model) for model in candidates.plan().ask]


def test_a_candidate_whose_address_has_just_failed_is_asked_last() -> None:
    candidates, breakers = world("p:a, q:a")
    fails(breakers, "p", "b", "server_error")

    assert ["q:a", "p:a"] == asked(candidates)


@pytest.mark.parametrize("kind", ["rate_limited", "authentication", "model_not_found"])
def test_a_single_candidate_is_always_asked(kind: ErrorKind) -> None:
    candidates, breakers = world("p:a")
    fails(breakers, "p", "a", kind)

    assert ["p:a"] == asked(candidates)
    assert candidates.start(ModelRef(provider="p", name="a")) is not None


def test_an_address_that_no_other_can_stand_in_for_is_always_asked() -> None:
    candidates, breakers = world("p:a, p:b")
    fails(breakers, "p", "a", "rate_limited")

    assert ["p:a", "p:b"] == asked(candidates)


def test_one_without_a_key_stands_in_for_nobody() -> None:
    candidates, breakers = world("p:a, q:a", q=KeyLess(a=[OK]))
    fails(breakers, "p", "a", "rate_limited")

    assert ["p:a", "q:a"] == asked(candidates)


def test_at_one_address_a_model_that_is_not_there_is_held_back_all_the_same() -> None:
    candidates, breakers = world("p:a, p:b")
    fails(breakers, "p", "a", "model_not_found")

    assert ["p:b"] == asked(candidates)


def test_the_second_of_two_questions_does_not_probe_as_well() -> None:
    now_s = 0.0
    breakers = Breakers(lambda: now_s)
    model = ModelRef(provider="p", name="a")
    both = [model, ModelRef(provider="q", name="a")]
    providers = {"p": Scripted(a=[OK]), "q": Scripted(a=[OK])}
    fails(breakers, "p", "a", "rate_limited")
    now_s = 20.0
    first, second = (Candidates(both, providers, breakers) for _ in range(2))
    assert [both, both] == [list(one.plan().ask) for one in (first, second)]

    assert (20.0, None) == (first.start(model), second.start(model))


# --- in words ------------------------------------------------------------------------------------------


def test_why_a_model_was_not_asked_is_typed_as_what_had_happened_to_it() -> None:
    error = held_back(MODELS[0], OPEN)

    assert isinstance(error, RateLimited)
    assert 30.2 == error.retry_after_s
    assert (
        "p:a: Nothing was sent: it failed shortly before. It is asked again in 31 s. Wait, or try it now. "
        "Before: Too many requests."
    ) == str(error)


def test_without_an_end_or_a_cause_nothing_is_made_up() -> None:
    error = held_back(MODELS[0], Standing(phase="open"))

    assert (ServerError, None) == (type(error), error.retry_after_s)
    assert "Nothing was sent: it failed shortly before. Wait, or try it now." == error.message


def test_while_another_question_finds_out_no_time_is_told() -> None:
    error = held_back(MODELS[0], replace(OPEN, left_s=0.0))

    assert error.message.startswith("Nothing was sent: it failed shortly before. Wait, or try it now.")


def test_the_receipt_s_line_says_that_nothing_was_sent() -> None:
    line = line_of(MODELS[0], held_back(MODELS[0], OPEN))

    assert (True, "rate_limited", 0.0, 30.2) == (line.held_back, line.error_kind, line.duration_s, line.retry_after_s)
