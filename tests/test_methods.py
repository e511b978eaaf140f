"""What the methods section of a paper says of a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from convoscope_jupyter._methods import Methods, installed_versions, methods
from convoscope_jupyter.messages import (
    Attempt,
    Conversation,
    Cost,
    ErrorKind,
    Message,
    ModelRef,
    Response,
    Turn,
    Usage,
)
from convoscope_jupyter.session import Session
from tests.support.conversations import conversations
from tests.support.sessions import session_of

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
MINI = ModelRef(provider="openai", name="gpt-5-mini")
HAIKU = ModelRef(provider="anthropic", name="claude-haiku-4-5")
VERSIONS = {"convoscope-jupyter": "0.1.0", "openai": "3.54.0"}


def attempt(model: ModelRef = MINI, error: ErrorKind | None = None, *, day: int = 0, **options: Any) -> Attempt:  # noqa: ANN401 - the attempt's own
    at = NOON + timedelta(days=day)
    return Attempt(model=model, started_at=at, duration_s=2.1, error_kind=error, **options)


def answered(model: ModelRef, version: str, *, day: int, cost: str, **options: Any) -> Attempt:  # noqa: ANN401 - the same
    return attempt(
        model,
        day=day,
        response_model=version,
        usage=Usage(input_tokens=1000, output_tokens=200),
        cost_usd=Decimal(cost),
        price_source=f"genai-prices 0.2.3, price for {NOON + timedelta(days=day):%Y-%m-%d}",
        **options,
    )


def turn(name: str, *responses: Response, parent: str | None = None, **options: Any) -> Turn:  # noqa: ANN401 - the same
    prompt = Message.user(f"Question {name[0]}")
    return Turn(id=name, parent_id=parent, prompt=prompt, created_at=NOON, responses=responses, **options)


def response(*attempts: Attempt, text: str = "Hi", **options: Any) -> Response:  # noqa: ANN401 - the same
    return Response(message=Message.assistant(text), attempts=attempts, **{"status": "complete", **options})


def conversation(*turns: Turn, system: str | None = None) -> Conversation:
    return Conversation(id="c", created_at=NOON, updated_at=NOON, turns=turns, system=system)


def told(*turns: Turn, system: str | None = None) -> Methods:
    return methods(conversation(*turns, system=system), versions=VERSIONS)


SMALL = conversation(
    turn("1", response(answered(MINI, "gpt-5-mini-2025-08-07", day=0, cost="0.00064", temperature=0.2))),
    turn(
        "2",
        response(
            attempt(MINI, "rate_limited", day=1, status_code=429, temperature=0.2),
            answered(HAIKU, "claude-haiku-4-5-20251001", day=1, cost="0.002", temperature=0.2, max_output_tokens=500),
        ),
        parent="1",
    ),
    turn(
        "2b",
        response(attempt(MINI, "interrupted", day=2, response_model="gpt-5-mini-2025-08-07"), status="interrupted"),
        parent="1",
    ),
    system="Answer in German.",
)


def test_a_small_conversation_reads_as_it_is_written_down() -> None:
    assert (
        "Between 2026-10-01 and 2026-10-03 (UTC), 3 questions were asked (1 of them repeated), and 3 answers received "
        "in 4 attempts. Answered by: openai:gpt-5-mini (version gpt-5-mini-2025-08-07; 2 answers), "
        "anthropic:claude-haiku-4-5 (version claude-haiku-4-5-20251001; 1 answer). "
        "Temperature: 0.2 (3 attempts), none on record (1 attempt). "
        "Bound on the tokens of an answer: none on record (3 attempts), 500 (1 attempt). "
        "Where none is on record the provider's own default applied, or the setting was not recorded. "
        "The conversation has system instructions of 17 characters (SHA-256 f38b6889ba8a…); "
        "whether they were the same throughout is not reported. "
        "Tokens as the providers counted them: 2,000 input, 400 output; not reported for 1 attempt. "
        "Cost: $0.0026 before tax and discounts, by genai-prices 0.2.3, prices for 2026-10-01 to 2026-10-02; "
        "not reported for 1 attempt. "
        "Fallbacks: anthropic:claude-haiku-4-5 answered instead of openai:gpt-5-mini (rate limited, once). "
        "Not whole: 1 broke off. "
        "Software when this was written: convoscope-jupyter 0.1.0, openai 3.54.0; not reported for each answer."
    ) == methods(SMALL, versions=VERSIONS).text


def test_its_table_is_markdown_with_a_row_for_each_model_version_and_setting() -> None:
    table = str(methods(SMALL, versions=VERSIONS)).split("\n\n")[1].splitlines()

    assert [
        (
            "| model asked | version that answered | answers | attempts | temperature | max. output tokens "
            "| first, UTC | last, UTC | input tokens | output tokens | cost |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        (
            "| openai:gpt-5-mini | gpt-5-mini-2025-08-07 | 1 | 1 | 0.2 | none on record "
            "| 2026-10-01 12:00 | 2026-10-01 12:00 | 1,000 | 200 | $0.0006 |"
        ),
        (
            "| openai:gpt-5-mini | not reported | 0 | 1 | 0.2 | none on record "
            "| 2026-10-02 12:00 | 2026-10-02 12:00 | not reported | not reported | $0.00 |"
        ),
        (
            "| anthropic:claude-haiku-4-5 | claude-haiku-4-5-20251001 | 1 | 1 | 0.2 | 500 "
            "| 2026-10-02 12:00 | 2026-10-02 12:00 | 1,000 | 200 | $0.0020 |"
        ),
        (
            "| openai:gpt-5-mini | gpt-5-mini-2025-08-07 | 1 | 1 | none on record | none on record "
            "| 2026-10-03 12:00 | 2026-10-03 12:00 | not reported | not reported | not reported |"
        ),
    ] == table


def sentence(told_: Methods, start: str) -> str:
    return next(part for part in told_.text.split(". ") if part.startswith(start))


def test_nothing_asked_is_said_in_a_sentence_without_a_table() -> None:
    empty = told()

    assert empty.text == str(empty)
    assert empty.text.startswith("No model was asked in this conversation.")


def test_a_question_that_is_still_running_is_not_counted_as_an_answer() -> None:
    assert "2 questions were asked, and 1 answer received in 1 attempt" in told(
        turn("1", response(attempt())), turn("2", parent="1")
    ).text.replace("On 2026-10-01 (UTC), ", "")


def test_what_was_chosen_to_be_compared_counts_every_answer() -> None:
    assert (
        "1 question was asked, and 2 answers received"
        in told(turn("1", response(attempt()), response(attempt(HAIKU)))).text
    )


def test_an_answer_without_a_receipt_has_an_author_that_is_not_reported() -> None:
    old = told(turn("1", response()))

    assert "On 2026-10-01 (UTC), 1 question was asked, and 1 answer received in 0 attempts." in old.text
    assert "Answered by: model not reported (1 answer)." in old.text
    assert "Temperature and bound on the tokens of an answer: not reported." in old.text
    assert "Token counts: not reported. Cost: not reported." in old.text


def test_nobody_answering_is_said() -> None:
    nobody = told(turn("1", response(attempt(error="timed_out"), text="", status="failed")))

    assert "No model answered. " in nobody.text
    assert "Not whole: 1 without any answer." in nobody.text


def test_a_request_to_go_on_is_not_a_question() -> None:
    went_on = told(turn("1", response(attempt())), turn("2", response(attempt()), parent="1", continues="1"))

    assert "1 question was asked (1 request to go on with an answer not counted), and 2 answers" in went_on.text


def test_fallbacks_say_who_answered_instead_of_whom_why_and_how_often() -> None:
    passed = response(attempt(error="rate_limited"), attempt(MINI, "timed_out"), attempt(HAIKU))
    held_back = response(attempt(error="timed_out", held_back=True), attempt(HAIKU))

    assert "Fallbacks: anthropic:claude-haiku-4-5 answered instead of openai:gpt-5-mini (timed out, 2 times)." in (
        told(turn("1", passed), turn("2", held_back)).text
    )


def test_a_model_that_answers_at_its_second_try_is_a_retry_and_no_fallback() -> None:
    again = told(turn("1", response(attempt(error="overloaded"), attempt())))

    assert "No model answered in another's place. The same model was asked again automatically once." in again.text


def test_a_candidate_that_was_held_back_is_no_attempt() -> None:
    held_back = response(attempt(error="timed_out", held_back=True), attempt(HAIKU))

    assert "in 1 attempt." in told(turn("1", held_back)).text
    assert ["anthropic:claude-haiku-4-5"] == [row.model for row in told(turn("1", held_back)).rows]


def test_every_way_of_not_being_whole_is_counted() -> None:
    parts = told(
        turn("1", response(attempt(error="interrupted"), status="interrupted")),
        turn("2", response(attempt(error="cancelled"), status="cancelled")),
        turn("3", response(attempt(), finish_reason="length")),
    )

    assert "Not whole: 1 broke off, 1 stopped by the user, 1 cut at a limit of tokens." in parts.text
    assert "Every answer is whole." in told(turn("1", response(attempt()))).text


def test_instructions_are_told_by_length_and_hash_and_never_by_their_words() -> None:
    assert "system instructions of 17 characters (SHA-256 f38b6889ba8a…)" in methods(SMALL, versions=VERSIONS).text
    assert "German" not in str(methods(SMALL, versions=VERSIONS))
    assert (
        "no system instructions; whether it had any before is not reported" in told(turn("1", response(attempt()))).text
    )


def test_the_words_that_were_said_are_not_in_it() -> None:
    secret = turn("1", response(attempt(), text="a very private answer"))

    assert "private" not in str(told(secret))
    assert "Question" not in str(told(secret))


def test_one_day_of_prices_is_one_date_and_a_source_without_a_day_is_named_as_it_is() -> None:
    dated = answered(MINI, "m", day=0, cost="1")
    plain = replace(dated, price_source="my own list")

    assert "by genai-prices 0.2.3, prices for 2026-10-01." in told(turn("1", response(dated))).text
    assert "Cost: $1.00 before tax and discounts, by my own list." in told(turn("1", response(plain))).text


def test_a_price_without_a_source_is_a_cost_all_the_same() -> None:
    assert (
        "Cost: $1.00 before tax and discounts."
        in told(turn("1", response(attempt(cost_usd=Decimal(1), usage=Usage())))).text
    )


def test_names_from_a_file_cannot_break_out_of_the_table_or_the_page() -> None:
    odd = ModelRef(provider="p", name="a|b\n# Title\x1b[2J ![x](https://example.org/x.png)")
    shown = told(turn("1", response(attempt(odd, response_model="<b>v</b>\\|"))))

    assert 5 == len(str(shown).splitlines())
    assert r"p:a\|b # Title" in str(shown)
    assert "\x1b" not in str(shown)
    assert "![x]" not in shown._repr_markdown_()
    assert "<b>" not in shown._repr_markdown_()


def test_versions_are_of_what_is_installed() -> None:
    assert ["pytest"] == list(installed_versions(["pytest", "no-such-package-of-ours"]))
    assert pytest.__version__ == installed_versions(["pytest"])["pytest"]


def attempts_of(conversation_: Conversation) -> Iterator[tuple[Response, Attempt]]:
    for turn_ in conversation_.turns:
        for response_ in turn_.responses:
            yield from ((response_, one) for one in response_.attempts if not one.held_back)


@settings(max_examples=30)
@given(conversations())
def test_every_model_that_answered_appears_and_sums_are_the_sums_of_the_attempts(talk: Conversation) -> None:
    written = methods(talk, versions=VERSIONS)
    tried = list(attempts_of(talk))
    answers = [one for response_, one in tried if one is response_.answering_attempt]

    assert {(str(one.model), one.response_model) for one in answers} <= {
        (row.model, row.version) for row in written.rows
    }
    assert len(answers) == sum(row.answers for row in written.rows)
    assert len(tried) == sum(row.attempts for row in written.rows)
    assert sum(one.usage.input_tokens or 0 for _, one in tried) == sum(row.input_tokens or 0 for row in written.rows)
    assert sum(one.usage.output_tokens or 0 for _, one in tried) == sum(row.output_tokens or 0 for row in written.rows)
    total = Cost.of(one for _, one in tried)
    assert total.unpriced_attempts == sum(row.cost.unpriced_attempts for row in written.rows)
    assert abs(total.known_usd - sum(row.cost.known_usd for row in written.rows)) < Decimal("1e-9")
    assert "\n" not in written.text


def test_a_session_describes_its_conversation_with_the_versions_of_the_sdks_it_used() -> None:
    session, _ = session_of()
    session.ask("Hi")
    written = session.methods()

    assert [("p:m", "good-2026", 1, 3, 2)] == [
        (row.model, row.version, row.answers, row.input_tokens, row.output_tokens) for row in written.rows
    ]
    assert f"convoscope-jupyter {installed_versions(['convoscope-jupyter'])['convoscope-jupyter']};" in written.text


@pytest.mark.parametrize("provider,sdk", [("openai", "openai"), ("anthropic", "anthropic"), ("google", "google-genai")])
def test_the_sdk_of_each_provider_is_named(provider: str, sdk: str, tmp_path: Path) -> None:
    session = Session("demo:echo", store=str(tmp_path / "store.sqlite3"))
    asked = turn("1", response(attempt(ModelRef(provider=provider, name="m"))))
    session.conductor.go_on_with(conversation(asked))

    assert f"{sdk} {installed_versions([sdk])[sdk]}" in session.methods().text


def test_a_loaded_file_is_described_as_the_session_was(tmp_path: Path) -> None:
    session = Session("demo:fail-429, demo:echo", store=":memory:", temperature=0.5)
    session.ask("Hi")
    again = Session.load(session.export(tmp_path / "chat.ipynb"), "demo:tour", store=":memory:", temperature=1.5)

    assert session.methods() == again.methods()
    assert "Temperature: 0.5." in again.methods().text
