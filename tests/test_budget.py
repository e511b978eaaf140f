"""Budgets: what a session has spent, and a question refused before anything is sent or stored."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

import convoscope_jupyter as cv
from convoscope_jupyter import _loop
from convoscope_jupyter._budget import Money, Spending, checked_max_cost_usd, checked_max_tokens_total
from convoscope_jupyter.errors import (
    AnswerInterrupted,
    BudgetExceeded,
    ConvoError,
    InvalidSetting,
    RateLimited,
    RouteExhausted,
    StreamInterrupted,
    TimedOut,
)
from convoscope_jupyter.messages import (
    Attempt,
    Cost,
    ErrorKind,
    Message,
    ModelRef,
    ReasoningDelta,
    Response,
    TextDelta,
    Usage,
)
from convoscope_jupyter.providers._base import Finished, ProviderStatus
from convoscope_jupyter.routing import RetryPolicy, Route
from convoscope_jupyter.session import Session
from tests.hosts.conversations import HELLO, Wire, submit
from tests.support.loopback import chat_stream
from tests.support.loopback_thread import loopback
from tests.support.scripted import OK, STOP, Scripted, Step
from tests.support.sessions import Gate, session_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINI = ModelRef(provider="openai", name="gpt-5-mini")
LLAMA = ModelRef(provider="ollama", name="llama3")
COUNTED = Usage(input_tokens=10, output_tokens=5)
AT_ONCE = Route(candidates=(ModelRef(provider="p", name="m"),), retry=RetryPolicy(min_delay_s=0, max_delay_s=0))
NO_COUNTS = Finished(finish_reason="stop", raw_finish_reason="stop")


def attempt(error: ErrorKind | None = None, *, model: ModelRef = MINI, **options: Any) -> Attempt:  # noqa: ANN401 - the attempt's own
    return Attempt(model=model, started_at=NOON, duration_s=1.0, error_kind=error, **options)


def answer(text: str, *attempts: Attempt, reasoning: str = "") -> Response:
    message = Message.assistant(text, reasoning=reasoning)
    return Response(message=message, status="complete" if text else "failed", attempts=attempts)


def spent_on(*responses: Response, prompt_tokens: int = 100) -> Spending:
    spent = Spending()
    for response in responses:
        spent = spent.plus(response, prompt_tokens=prompt_tokens)
    return spent


# --- what was spent ----------------------------------------------------------------------------------


def test_nothing_asked_is_nothing_spent_and_that_is_known() -> None:
    assert (Decimal(0), 0, 0) == (Spending().cost_usd, Spending().total_tokens, Spending().attempts)


def test_all_attempts_of_an_answer_are_added_up_failed_ones_too() -> None:
    spent = spent_on(
        answer(
            "Hi",
            attempt("timed_out", usage=COUNTED, cost_usd=Decimal("0.1")),
            attempt(usage=COUNTED, cost_usd=Decimal("0.2")),
        )
    )

    assert Spending(cost_usd=Decimal("0.3"), input_tokens=20, output_tokens=10, attempts=2) == spent


def test_an_answer_without_counts_is_estimated_from_the_text_and_has_no_price() -> None:
    spent = spent_on(answer("x" * 40, attempt(model=LLAMA), reasoning="y" * 20))

    assert (100, 15, 115) == (spent.input_tokens, spent.output_tokens, spent.estimated_tokens)
    assert (None, 1, (LLAMA,)) == (spent.cost_usd, spent.unpriced_attempts, spent.unpriced_models)


def test_only_the_missing_count_is_estimated() -> None:
    spent = spent_on(answer("x" * 40, attempt("interrupted", usage=Usage(input_tokens=7))))

    assert (7, 10, 10) == (spent.input_tokens, spent.output_tokens, spent.estimated_tokens)


@pytest.mark.parametrize(
    "tried",
    [
        pytest.param(attempt("missing_credentials"), id="no key"),
        pytest.param(attempt("connection_failed"), id="nobody reached"),
        pytest.param(attempt("context_too_long"), id="refused unsent"),
        pytest.param(attempt("overloaded"), id="refused inside a stream"),
        pytest.param(attempt("rate_limited", status_code=429), id="HTTP 429"),
        pytest.param(attempt("server_error", status_code=500), id="HTTP 500"),
        pytest.param(attempt("timed_out", held_back=True), id="held back"),
    ],
)
def test_an_attempt_that_was_turned_away_has_spent_nothing(tried: Attempt) -> None:
    spent = spent_on(answer("", tried))

    assert (Decimal(0), 0, 0) == (spent.cost_usd, spent.total_tokens, spent.unpriced_attempts)


@pytest.mark.parametrize(
    "tried",
    [
        pytest.param(attempt("timed_out"), id="no text in time"),
        pytest.param(attempt("cancelled"), id="stopped"),
        pytest.param(attempt("protocol_error", status_code=200), id="nonsense"),
        pytest.param(attempt("server_error"), id="an error inside a stream"),
        pytest.param(attempt("overloaded", response_model="m-1"), id="overloaded after the head"),
        pytest.param(attempt("connection_failed", response_model="m-1"), id="reset after the head"),
        pytest.param(attempt("context_too_long", time_to_first_chunk_s=0.1), id="window full midway"),
    ],
)
def test_an_attempt_that_a_model_may_have_worked_on_counts_its_prompt(tried: Attempt) -> None:
    spent = spent_on(answer("", tried))

    assert (100, 0, 1) == (spent.input_tokens, spent.output_tokens, spent.unpriced_attempts)


def test_a_candidate_that_was_held_back_is_no_attempt() -> None:
    assert 1 == spent_on(answer("Hi", attempt("timed_out", held_back=True), attempt(usage=COUNTED))).attempts


def test_a_model_without_a_price_is_named_once() -> None:
    spent = spent_on(answer("Hi", attempt(model=LLAMA)), answer("Hi", attempt(model=LLAMA)))

    assert (2, (LLAMA,)) == (spent.unpriced_attempts, spent.unpriced_models)


_COSTS = st.none() | st.decimals(min_value=0, max_value=100, places=6)
_COUNTS = st.none() | st.integers(0, 10**6)


@given(st.lists(st.tuples(_COSTS, _COUNTS, _COUNTS), min_size=1, max_size=6))
def test_what_is_spent_is_the_sum_of_the_attempts(given_: list[tuple[Decimal | None, int | None, int | None]]) -> None:
    attempts = [attempt(usage=Usage(input_tokens=i, output_tokens=o), cost_usd=cost) for cost, i, o in given_]
    spent = spent_on(*(answer("Hi", one) for one in attempts))

    assert sum(cost for cost, _, _ in given_ if cost is not None) == (spent.cost_usd or 0)
    assert sum(cost is None for cost, _, _ in given_) == spent.unpriced_attempts
    assert sum(100 if i is None else i for _, i, _ in given_) == spent.input_tokens
    assert sum(1 if o is None else o for _, _, o in given_) == spent.output_tokens
    assert len(given_) == spent.attempts


@pytest.mark.parametrize(
    "spent,expected",
    [
        pytest.param(Spending(), "$0.00 and 0 tokens in 0 attempts", id="nothing"),
        pytest.param(
            spent_on(answer("Hi", attempt(usage=COUNTED, cost_usd=Decimal("0.00421")))),
            "$0.0042 and 15 tokens in 1 attempt",
            id="all known",
        ),
        pytest.param(
            spent_on(answer("Hi", attempt(model=LLAMA))),
            "about 101 tokens in 1 attempt; the cost of 1 is not known (ollama:llama3): only tokens are counted there",
            id="nothing known",
        ),
        pytest.param(
            spent_on(answer("Hi", attempt(model=LLAMA)), answer("Hi", attempt(usage=COUNTED, cost_usd=Decimal(2)))),
            "$2.00 and about 116 tokens in 2 attempts; the cost of 1 is not known (ollama:llama3): "
            "only tokens are counted there",
            id="a part known",
        ),
    ],
)
def test_spending_reads_as_a_sentence(spent: Spending, expected: str) -> None:
    assert expected == str(spent)


# --- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given_,expected",
    [(None, None), (1, "1"), (0.1, "0.1"), (Decimal("0.25"), "0.25"), ("0.50", "0.50"), (" 2 ", "2")],
)
def test_a_cost_is_taken_as_it_is_written(given_: Money | None, expected: str | None) -> None:
    assert (None if expected is None else Decimal(expected)) == checked_max_cost_usd(given_)


@pytest.mark.parametrize("given_", [0, -1, "0.0", "", "a dollar", "$1", "nan", float("inf"), True, []])
def test_what_is_no_cost_is_refused_with_what_would_be(given_: Any) -> None:  # noqa: ANN401 - a user may pass anything
    with pytest.raises(InvalidSetting, match="US dollars above 0, or None"):
        checked_max_cost_usd(given_)


@pytest.mark.parametrize("given_", [0, -1, 1.5, "100", True])
def test_what_is_no_number_of_tokens_is_refused_with_what_would_be(given_: object) -> None:
    with pytest.raises(InvalidSetting, match="whole number above 0, or None"):
        checked_max_tokens_total(given_)


def test_a_session_can_be_given_other_limits_or_none() -> None:
    session, _ = session_of(max_cost_usd="0.5", max_tokens_total=7)
    session.max_cost_usd, session.max_tokens_total = 1, None

    assert (Decimal(1), None) == (session.max_cost_usd, session.max_tokens_total)


def test_limits_that_are_none_leave_what_was_set() -> None:
    session, _ = session_of(max_cost_usd=2, max_tokens_total=7)
    with pytest.raises(InvalidSetting):
        session.max_cost_usd = 0
    with pytest.raises(InvalidSetting):
        session.max_tokens_total = 0

    assert (Decimal(2), 7) == (session.max_cost_usd, session.max_tokens_total)


# --- refused -----------------------------------------------------------------------------------------


def priced(*scripts: list[Step], **options: Any) -> tuple[Session, Scripted]:  # noqa: ANN401 - the session's own
    usual: list[Step] = [TextDelta(text="Hi"), finished(1000, 1000)]
    provider = Scripted(**{"gpt-5-mini": list(scripts) or [usual]})
    return Session("openai:gpt-5-mini", providers={"openai": provider}, store=":memory:", **options), provider


def finished(input_tokens: int | None, output_tokens: int | None) -> Finished:
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return Finished(finish_reason="stop", raw_finish_reason="stop", usage=usage)


def test_an_answer_that_crosses_the_limit_is_kept_and_the_next_question_is_refused() -> None:
    session, provider = priced(max_cost_usd="0.002")
    first = session.ask("Hi")
    with pytest.raises(BudgetExceeded) as refused:
        session.ask("And now?")

    assert ("Hi", Decimal("0.00225")) == (first.text, session.spent.cost_usd)
    assert (
        "this session may cost at most $0.0020 and has cost $0.0022 so far. Nothing was sent. "
        "Raise session.max_cost_usd, or start a new session."
    ) == str(refused.value)
    assert ("usd", Decimal("0.002"), Decimal("0.00225"), None) == data_of(refused.value)
    assert (1, 1) == (len(provider.requests), len(session.conversation.turns))


def data_of(error: BudgetExceeded) -> tuple[object, ...]:
    return error.unit, error.limit, error.spent, error.estimate


def test_a_question_that_would_cross_the_limit_is_refused_with_what_it_alone_would_cost() -> None:
    session, provider = priced(max_cost_usd="0.001")
    with pytest.raises(BudgetExceeded) as refused:
        session.ask("word " * 4800)

    assert "has cost $0.00 so far; the question alone is about $0.0015. Nothing was sent." in str(refused.value)
    assert ("usd", Decimal("0.001"), 0, Decimal("0.0015")) == data_of(refused.value)
    assert [] == provider.requests


def test_history_and_instructions_are_a_part_of_the_question() -> None:
    session, _ = session_of([TextDelta(text="word " * 40), finished(1, 1)], max_tokens_total=90)
    session.ask("word " * 10)
    session.system = "word " * 20
    with pytest.raises(BudgetExceeded) as refused:
        session.ask("Hi")

    assert ("tokens", 90, 2, 13 + 50 + 25 + 1) == data_of(refused.value)


def test_raising_the_limit_lets_the_same_question_through() -> None:
    session, _ = priced(max_cost_usd="0.002")
    session.ask("Hi")
    session.max_cost_usd = "0.01"

    assert "Hi" == session.ask("And now?").text


def test_a_limit_of_tokens_names_its_figures_and_says_about_where_it_is_an_estimate() -> None:
    session, _ = session_of([TextDelta(text="word " * 8), NO_COUNTS], max_tokens_total=20)
    session.ask("word " * 8)
    with pytest.raises(BudgetExceeded) as refused:
        session.ask("Hi")

    assert (
        "this session may use at most 20 tokens and has used about 20 so far. Nothing was sent. "
        "Raise session.max_tokens_total, or start a new session."
    ) == str(refused.value)


def test_counted_tokens_are_not_called_an_estimate() -> None:
    session, _ = session_of(max_tokens_total=6)
    session.ask("Hi")
    with pytest.raises(BudgetExceeded, match=r"has used 5 so far; the question alone is about 5\."):
        session.ask("Hi again")


def test_what_has_no_price_counts_in_tokens_only_and_the_refusal_says_so() -> None:
    session, _ = priced([TextDelta(text="Hi"), NO_COUNTS], [TextDelta(text="Hi"), finished(1000, 1000)])
    session.ask("Hi")
    session.ask("Hi")
    session.max_cost_usd = "0.001"
    with pytest.raises(BudgetExceeded, match=r"has cost \$0\.0022 so far \(without 1 attempt of unknown cost\)\."):
        session.ask("Hi")


def test_a_server_of_ones_own_is_never_refused_for_its_cost() -> None:
    session, provider = session_of(max_cost_usd="0.0001")
    provider.host = "127.0.0.1:1"
    session.ask("word " * 100_000)

    assert (None, 1) == (session.spent.cost_usd, session.spent.unpriced_attempts)


def test_a_priced_name_at_another_address_is_not_priced() -> None:
    session, provider = priced(max_cost_usd="0.001")
    provider.host = "127.0.0.1:1"

    assert "Hi" == session.ask("word " * 4000).text


def test_a_provider_with_an_unusable_setting_is_left_to_say_so_itself() -> None:
    class Unusable(Scripted):
        def status(self, name: str) -> ProviderStatus:
            raise InvalidSetting(f"the address of {name} cannot be read. Change it.")

    session = Session("p:m", providers={"p": Unusable(m=[list(OK)])}, store=":memory:", max_cost_usd=1)
    with pytest.raises(ConvoError) as refused:
        session.ask("Hi")

    assert not isinstance(refused.value, BudgetExceeded)


def test_failed_interrupted_and_stopped_attempts_count() -> None:
    gate = Gate()
    session, _ = session_of(
        [TimedOut("No text in time.")],
        [TimedOut("No text in time.")],
        [TextDelta(text="word " * 4), StreamInterrupted("It broke off.")],
        [TextDelta(text="word " * 4), gate.event, STOP],
        max_tokens_total=1000,
    )
    session.route = AT_ONCE
    with pytest.raises(RouteExhausted):
        session.ask("word " * 4)
    after_failure = session.spent
    with pytest.raises(AnswerInterrupted):
        session.ask("word " * 4)
    after_break = session.spent
    for event in session.stream("word " * 4):
        if isinstance(event, TextDelta):
            session.cancel()

    assert (10, 0, 2) == (after_failure.input_tokens, after_failure.output_tokens, after_failure.attempts)
    assert (5, 5, 3) == (after_break.input_tokens - 10, after_break.output_tokens, after_break.attempts)
    assert (10, 4) == (session.spent.output_tokens, session.spent.attempts)


def test_a_budget_is_the_sessions_over_all_its_conversations() -> None:
    session, _ = session_of(max_tokens_total=5)
    session.ask("Hi")
    session.conductor.start_new()
    with pytest.raises(BudgetExceeded):
        session.ask("Hi")

    assert () == session.conversation.turns


def test_a_loaded_file_begins_at_nothing(tmp_path: Path) -> None:
    session, provider = session_of()
    session.ask("Hi")
    again = Session.load(session.export(tmp_path / "chat.json"), "p:m", providers={"p": provider}, store=":memory:")

    assert (5, Spending()) == (session.spent.total_tokens, again.spent)


def test_edit_regenerate_continue_and_stream_meet_the_limit_too() -> None:
    session, provider = session_of(max_tokens_total=5)
    turn = session.ask("Hi")

    for ask_again in (
        lambda: session.edit(turn, "Ho"),
        lambda: session.regenerate(turn),
        lambda: session.continue_(turn),
        lambda: list(session.stream("Hi")),
    ):
        with pytest.raises(BudgetExceeded):
            ask_again()

    assert 1 == len(provider.requests)


async def test_async_questions_meet_the_limit_too() -> None:
    session, provider = session_of(max_tokens_total=5)
    await session.ask_async("Hi")
    with pytest.raises(BudgetExceeded):
        await session.ask_async("Hi")

    assert 1 == len(provider.requests)


def test_a_refused_question_reaches_no_server_and_no_store(tmp_path: Path) -> None:
    store = str(tmp_path / "store.sqlite3")
    with loopback(chat_stream("Hel", "lo")) as server:
        session = Session(
            "local:m",
            providers={"local": cv.OpenAICompatible(base_url=server.base_url)},
            store=store,
            max_tokens_total=1,
        )
        with pytest.raises(BudgetExceeded, match="Nothing was sent"):
            session.ask("A question of some words.")
        refused = (len(server.requests), cv.open_store(store).list(), session.conversation.turns)
        session.max_tokens_total = 1000
        allowed = session.ask("A question of some words.").text

    assert (0, [], ()) == (refused[0], list(refused[1]), refused[2])
    assert ("Hello", 1) == (allowed, len(server.requests))


def test_a_chat_is_told_why_its_question_was_refused_and_may_send_it_again() -> None:
    wire = Wire({"m": [list(OK)]})
    wire.session.max_tokens_total = 1
    wire.send(HELLO, until="snapshot")
    wire.send(submit("A question of some words.", "turn-0001"), until="rejected")
    refusal = wire.lines[-1]["kernel"]
    kinds = [line["kernel"]["type"] for line in wire.lines if "kernel" in line]
    wire.session.max_tokens_total = 1000
    wire.send(submit("A question of some words.", "turn-0001"), until="turn_ended")

    assert ("submit", "turn-0001") == (refusal["command"], refusal["turn_id"])
    assert (
        "this session may use at most 1 token and has used 0 so far; the question alone is about 7. Nothing was sent. "
        "Raise session.max_tokens_total, or start a new session."
    ) == refusal["message"]
    assert ["snapshot", "rejected"] == kinds
    assert ["Hello"] == [turn.text for turn in wire.session.conversation.turns]


# --- the sum of an answer's attempts -----------------------------------------------------------------


def test_an_answer_costs_what_all_its_attempts_cost() -> None:
    response = answer(
        "Hi", attempt("timed_out", cost_usd=Decimal("0.1")), attempt("rate_limited", status_code=429), attempt()
    )

    assert Cost(known_usd=Decimal("0.1"), unpriced_attempts=1) == response.cost
    assert response.cost.total_usd is None


@pytest.mark.parametrize(
    "cost,expected",
    [
        (Cost(), "$0.00"),
        (Cost(known_usd=Decimal("0.5")), "$0.50"),
        (Cost(known_usd=Decimal("0.0031"), unpriced_attempts=2), "$0.0031, without 2 attempts of unknown cost"),
        (Cost(unpriced_attempts=1), "not known"),
    ],
    ids=["nothing", "known", "a part known", "nothing known"],
)
def test_a_cost_says_what_it_leaves_out(cost: Cost, expected: str) -> None:
    assert expected == str(cost)


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-1", "9E+999999"])
def test_a_price_that_cannot_be_one_counts_as_unknown(figure: str) -> None:
    assert Cost(unpriced_attempts=1) == Cost.of([attempt(cost_usd=Decimal(figure))])


def test_a_turn_costs_what_all_its_answers_cost() -> None:
    session, _ = session_of()
    turn = session.ask("Hi")
    tried = replace(turn.responses[0].attempts[0], cost_usd=Decimal("0.1"))
    response = replace(turn.responses[0], attempts=(tried,))

    assert Decimal("0.2") == replace(turn, responses=(response, response)).cost.total_usd


@pytest.mark.parametrize(
    "script,outcomes",
    [
        pytest.param([RateLimited("Too many.", status_code=429), *OK], ["rate_limited"], id="failed"),
        pytest.param([TextDelta(text="Hi"), STOP], ["ok"], id="answered"),
        pytest.param([TextDelta(text="Hi"), StreamInterrupted("Off.")], ["interrupted"], id="broke off"),
        pytest.param([TextDelta(text="Hi")], ["interrupted"], id="no finish marker"),
        pytest.param([ReasoningDelta(text="hm"), ValueError("a bug")], ["protocol_error"] * 2, id="a fault of ours"),
    ],
)
def test_every_ending_leaves_a_receipt_of_every_attempt(script: list[Step], outcomes: list[str]) -> None:
    session, _ = session_of(script)
    session.route = AT_ONCE
    with contextlib.suppress(ConvoError):
        session.ask("Hi")
    turn = session.conversation.turns[0]

    assert outcomes == [tried.outcome for tried in turn.responses[0].attempts]


def test_an_answer_that_is_stopped_before_its_first_word_has_a_receipt_too() -> None:
    gate = Gate()
    session, _ = session_of([gate.event, *OK])
    for _ in session.stream("Hi"):
        _loop.call_soon(session.cancel)

    assert ["cancelled"] == [tried.outcome for tried in session.conversation.turns[0].responses[0].attempts]
    assert 1 == session.spent.attempts


def test_an_answer_that_broke_off_is_not_asked_anew_beyond_the_limit() -> None:
    broken: list[Step] = [TextDelta(text="word " * 40), StreamInterrupted("It broke off.")]
    provider = Scripted(m=[broken], n=[list(OK)])
    route = Route.parse("p:m, p:n")
    session = Session(
        replace(route, after_first_text="restart"), providers={"p": provider}, store=":memory:", max_tokens_total=50
    )
    with pytest.raises(AnswerInterrupted):
        session.ask("Hi")

    assert (["m"], 51) == (provider.asked, session.spent.total_tokens)


def test_both_parts_of_an_answer_that_was_asked_anew_count() -> None:
    broken: list[Step] = [TextDelta(text="word " * 40), StreamInterrupted("It broke off.")]
    provider = Scripted(m=[broken], n=[list(OK)])
    route = Route.parse("p:m, p:n")
    session = Session(
        replace(route, after_first_text="restart"), providers={"p": provider}, store=":memory:", max_tokens_total=60
    )

    assert "Hello" == session.ask("Hi").text
    assert (["m", "n"], 51 + 5) == (provider.asked, session.spent.total_tokens)
