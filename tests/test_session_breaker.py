"""What sessions of one kernel share of their providers' failures, and answers that are begun anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convoscope_jupyter import errors
from convoscope_jupyter.messages import AttemptStarted, TextDelta, TurnFinished
from convoscope_jupyter.providers._base import Provider
from convoscope_jupyter.routing import Route
from convoscope_jupyter.session import Session
from tests.support.scripted import OK, STOP, Scripted, Step

LIMITED = errors.RateLimited("Too many.", retry_after_s=30)


def two(first: Scripted, second: Scripted, route: str | Route = "p:m, q:m") -> Session:
    providers: dict[str, Provider] = {"p": first, "q": second}
    return Session(route, providers=providers, store=":memory:")


def test_what_one_session_learned_spares_the_others() -> None:
    first, second = Scripted(m=[[LIMITED]]), Scripted(m=[OK])
    two(first, second).ask("Hi")

    turn = two(first, second).ask("Hi")

    assert ["m"] == first.asked
    assert turn.response is not None
    assert [True, False] == [attempt.held_back for attempt in turn.response.attempts]
    assert "q:m answered in under 0.1 s, after p:m was skipped because it was rate limited shortly before." == (
        turn.response.receipt
    )


def test_when_all_are_held_back_the_question_is_kept_and_the_time_told() -> None:
    session = two(Scripted(m=[[LIMITED]]), Scripted(m=[[LIMITED]]))
    with pytest.raises(errors.RouteExhausted):
        session.ask("First")

    with pytest.raises(errors.RouteExhausted) as caught:
        session.ask("Second")

    assert "Nothing was sent: it failed shortly before. It is asked again in 30 s." in str(caught.value)
    assert caught.value.turn is not None
    assert ("Second", session.conversation.turns[-1]) == (caught.value.turn.prompt.text, caught.value.turn)


def test_try_now_asks_without_waiting() -> None:
    first = Scripted(m=[[LIMITED], OK])
    session = two(first, Scripted(m=[OK]))
    session.ask("Hi")
    session.try_now("p")

    assert "p" == str(session.ask("Again").responses[0].answered_by).partition(":")[0]


def test_try_now_without_a_name_is_for_the_whole_route() -> None:
    first, second = Scripted(m=[[LIMITED], OK]), Scripted(m=[[LIMITED], OK])
    session = two(first, second)
    with pytest.raises(errors.RouteExhausted):
        session.ask("Hi")
    session.try_now()

    assert "Hello" == session.ask("Again").text


def test_try_now_of_a_provider_that_is_not_there_is_refused() -> None:
    with pytest.raises(errors.UnknownProvider, match="no provider 'olama'"):
        two(Scripted(m=[OK]), Scripted(m=[OK])).try_now("olama")


def test_the_parameters_of_an_attempt_are_in_its_receipt() -> None:
    session = Session("p:m", providers={"p": Scripted(m=[OK])}, store=":memory:", temperature=0.3, max_output_tokens=9)

    attempt = session.ask("Hi").responses[0].attempts[0]

    assert (0.3, 9) == (attempt.temperature, attempt.max_output_tokens)


# --- after the first text --------------------------------------------------------------------------------

BROKEN: list[Step] = [TextDelta(text="Half"), errors.ConnectionFailed("dropped")]
RESTART = replace(Route.parse("p:m, q:m"), after_first_text="restart")


def test_an_answer_that_breaks_off_stays_broken_off_by_default() -> None:
    second = Scripted(m=[OK])
    with pytest.raises(errors.AnswerInterrupted):
        two(Scripted(m=[BROKEN]), second).ask("Hi")

    assert [] == second.asked


def test_a_route_that_restarts_asks_the_next_model_anew_beside_the_broken_answer() -> None:
    session = two(Scripted(m=[BROKEN]), Scripted(m=[OK]), RESTART)
    events = list(session.stream("Hi"))

    ends = [event.turn for event in events if isinstance(event, TurnFinished)]
    assert [("Half", "interrupted"), ("Hello", "complete")] == [(turn.text, turn.responses[0].status) for turn in ends]
    assert ["p:m", "q:m"] == [str(event.model) for event in events if isinstance(event, AttemptStarted)]
    assert tuple(ends) == session.conversation.turns
    assert 1 == len({turn.parent_id for turn in ends})


def test_ask_returns_the_answer_that_was_begun_anew() -> None:
    session = two(Scripted(m=[BROKEN]), Scripted(m=[OK]), RESTART)

    assert "Hello" == session.ask("Hi").text
    assert "Again" == session.ask("Again", route="demo:echo").text


def test_when_the_last_model_breaks_off_too_its_part_is_kept_and_told() -> None:
    session = two(Scripted(m=[BROKEN]), Scripted(m=[[TextDelta(text="Other"), errors.ServerError("x")]]), RESTART)
    with pytest.raises(errors.AnswerInterrupted) as caught:
        session.ask("Hi")

    assert "Other" == caught.value.turn.text
    assert ["Half", "Other"] == [turn.text for turn in session.conversation.turns]


def test_an_answer_that_ends_well_is_not_begun_anew() -> None:
    second = Scripted(m=[OK])
    two(Scripted(m=[[TextDelta(text="Whole"), STOP]]), second, RESTART).ask("Hi")

    assert [] == second.asked
