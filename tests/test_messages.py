"""The values: what they say of themselves."""

from __future__ import annotations

import dataclasses
import pickle
import uuid
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter import messages
from convoscope_jupyter.messages import (
    Attempt,
    Conversation,
    ErrorKind,
    ImagePart,
    Message,
    ModelRef,
    ReasoningPart,
    Response,
    ResponseStatus,
    TextPart,
    Turn,
    Usage,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINI = ModelRef(provider="openai", name="gpt-5-mini")
FLASH = ModelRef(provider="google", name="gemini-2.5-flash")


def attempt(model: ModelRef = MINI, error: ErrorKind | None = None, *, duration_s: float = 2.1) -> Attempt:
    return Attempt(model=model, started_at=NOON, duration_s=duration_s, error_kind=error, usage=Usage(output_tokens=7))


def response(text: str, *attempts: Attempt, status: ResponseStatus = "complete") -> Response:
    return Response(message=Message.assistant(text), status=status, attempts=attempts)


def turn(name: str, parent: str | None = None, *responses: Response) -> Turn:
    return Turn(id=name, parent_id=parent, prompt=Message.user("?"), created_at=NOON, responses=responses)


def conversation(*turns: Turn) -> Conversation:
    return Conversation(id="c", created_at=NOON, updated_at=NOON, turns=turns)


# --- messages and model references -------------------------------------------------------------------


def test_a_users_message_is_its_text() -> None:
    assert Message(role="user", parts=(TextPart(text="Hi"),)) == Message.user("Hi")
    assert "Hi" == Message.user("Hi").text
    assert "" == Message.user("Hi").reasoning


def test_a_models_message_holds_what_it_thought_before_what_it_said() -> None:
    message = Message.assistant("Hello", reasoning="hm")

    assert (ReasoningPart(text="hm"), TextPart(text="Hello")) == message.parts
    assert ("Hello", "hm") == (message.text, message.reasoning)


def test_a_models_message_has_no_part_for_what_there_is_not() -> None:
    assert () == Message.assistant("").parts


def test_the_text_of_a_message_is_all_its_text_and_nothing_else() -> None:
    image = ImagePart(media_type="image/png", data_base64="aGk=")
    message = Message(role="user", parts=(TextPart(text="What is "), image, TextPart(text="this?")))

    assert "What is this?" == message.text


@pytest.mark.parametrize(
    "written,expected",
    [
        pytest.param("openai:gpt-5-mini", "openai:gpt-5-mini", id="colon"),
        pytest.param("openai/gpt-5-mini", "openai:gpt-5-mini", id="slash"),
        pytest.param("  OpenAI : gpt-5-mini ", "openai:gpt-5-mini", id="spaces and capitals"),
        pytest.param("ollama:llama3:8b", "ollama:llama3:8b", id="colon in the name"),
        pytest.param("openrouter:meta/llama-4", "openrouter:meta/llama-4", id="slash in the name"),
        pytest.param("my.server-1:M", "my.server-1:M", id="a name keeps its capitals"),
    ],
)
def test_a_model_reference_is_provider_and_name(written: str, expected: str) -> None:
    assert expected == str(ModelRef.parse(written))


@pytest.mark.parametrize("written", ["", "gpt-5-mini", ":gpt", "openai:", "openai: ", "/", "-a:b", "a b:c"])
def test_what_does_not_name_a_provider_is_no_model_reference(written: str) -> None:
    assert ModelRef.parse(written) is None


@given(
    provider=st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True),
    name=st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True),
)
def test_a_model_reference_survives_being_written(provider: str, name: str) -> None:
    ref = ModelRef(provider=provider, name=name)

    assert ref == ModelRef.parse(str(ref))


# --- attempts and responses --------------------------------------------------------------------------


def test_an_attempts_outcome_is_ok_or_its_error() -> None:
    assert "ok" == attempt().outcome
    assert "rate_limited" == attempt(error="rate_limited").outcome


def test_an_answer_is_the_last_attempts() -> None:
    answer = response("Hello", attempt(MINI, "overloaded"), attempt(FLASH))

    assert FLASH == answer.answered_by
    assert 7 == answer.usage.output_tokens


def test_a_partial_answer_has_an_author_too() -> None:
    assert MINI == response("Hel", attempt(MINI, "interrupted"), status="interrupted").answered_by


@pytest.mark.parametrize(
    "attempts", [pytest.param((), id="none asked"), pytest.param((attempt(error="overloaded"),), id="all failed")]
)
def test_no_answer_has_no_author_and_unknown_usage(attempts: tuple[Attempt, ...]) -> None:
    answer = response("", *attempts, status="failed")

    assert answer.answered_by is None
    assert Usage() == answer.usage


@pytest.mark.parametrize(
    "answer,expected",
    [
        pytest.param(response("Hi", attempt()), "openai:gpt-5-mini answered in 2.1 s.", id="at once"),
        pytest.param(
            response("Hi", attempt(MINI, "rate_limited"), attempt(FLASH)),
            "google:gemini-2.5-flash answered in 2.1 s, after openai:gpt-5-mini was rate limited.",
            id="after a fallback",
        ),
        pytest.param(
            response("H", attempt(MINI, "cancelled"), status="cancelled"),
            "openai:gpt-5-mini was stopped after 2.1 s.",
            id="stopped",
        ),
        pytest.param(
            response("H", attempt(MINI, "interrupted"), status="interrupted"),
            "openai:gpt-5-mini broke off after 2.1 s.",
            id="interrupted",
        ),
        pytest.param(
            response("", attempt(MINI, "authentication"), attempt(FLASH, "timed_out"), status="failed"),
            "No model answered: openai:gpt-5-mini rejected the key, google:gemini-2.5-flash did not answer in time.",
            id="nobody",
        ),
        pytest.param(response("", status="failed"), "No model was asked.", id="nobody asked"),
    ],
)
def test_a_receipt_says_who_answered_after_whom_in_what_time(answer: Response, expected: str) -> None:
    assert expected == answer.receipt


@pytest.mark.parametrize(
    "duration_s,expected", [(0.0, "under 0.1 s"), (0.049, "under 0.1 s"), (0.05, "0.1 s"), (75.0, "75.0 s")]
)
def test_a_receipt_never_says_that_an_answer_took_no_time(duration_s: float, expected: str) -> None:
    assert f"openai:gpt-5-mini answered in {expected}." == response("Hi", attempt(duration_s=duration_s)).receipt


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_every_kind_of_error_has_words_for_the_receipt(kind: ErrorKind) -> None:
    assert f"No model answered: {MINI} " in response("", attempt(error=kind), status="failed").receipt


@pytest.mark.parametrize("status", get_args(ResponseStatus))
def test_every_status_has_a_receipt(status: ResponseStatus) -> None:
    assert response("Hi", attempt(), status=status).receipt.endswith("2.1 s.")


# --- turns and conversations -------------------------------------------------------------------------


def test_a_turns_text_is_its_chosen_answer() -> None:
    compared = dataclasses.replace(turn("t", None, response("A"), response("B")), chosen=1)

    assert "B" == compared.text


def test_a_turn_that_is_not_answered_yet_has_no_text() -> None:
    assert turn("t").response is None
    assert "" == turn("t").text


def test_the_path_of_a_conversation_ends_at_the_newest_turn() -> None:
    talk = conversation(turn("1"), turn("2", "1"), turn("2b", "1"), turn("3", "2b"))

    assert ["1", "2b", "3"] == [t.id for t in talk.path()]


def test_the_path_to_an_older_branch_leaves_the_others_out() -> None:
    talk = conversation(turn("1"), turn("2", "1"), turn("2b", "1"))

    assert ["1", "2"] == [t.id for t in talk.path("2")]


def test_an_empty_conversation_has_an_empty_path() -> None:
    assert () == conversation().path()


def test_there_is_no_path_to_a_turn_that_is_not_there() -> None:
    assert () == conversation(turn("1")).path("2")


def test_a_path_begins_where_a_parent_is_missing() -> None:
    assert ["2"] == [t.id for t in conversation(turn("2", "gone")).path()]


def test_a_ring_of_parents_ends() -> None:
    talk = conversation(turn("1", "2"), turn("2", "1"))

    assert ["1", "2"] == [t.id for t in talk.path()]


# --- all of them -------------------------------------------------------------------------------------

VALUES = [value for value in vars(messages).values() if dataclasses.is_dataclass(value) and isinstance(value, type)]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_every_value_is_frozen_and_takes_keywords_only(value: type) -> None:
    parameters = value.__dataclass_params__  # type: ignore[attr-defined]  # dataclasses document no other way to ask

    assert parameters.frozen
    assert all(field.kw_only for field in dataclasses.fields(value))


def test_values_survive_pickling() -> None:
    talk = conversation(turn("1", None, response("Hi", attempt())))

    assert talk == pickle.loads(pickle.dumps(talk))  # noqa: S301 - our own bytes


def test_new_ids_are_uuids_and_differ() -> None:
    ids = {messages.new_id() for _ in range(100)}

    assert 100 == len(ids)
    assert all(str(uuid.UUID(name)) == name for name in ids)


def test_the_wall_clock_is_in_utc() -> None:
    assert timedelta(0) == messages.utc_now().utcoffset()


# --- shown by a notebook -----------------------------------------------------------------------------


def answered(text: str) -> Turn:
    attempt = Attempt(model=ModelRef(provider="p", name="m"), started_at=NOON, duration_s=1.0)
    response = Response(message=Message.assistant(text), status="complete", attempts=(attempt,))
    return Turn(id="t", parent_id=None, prompt=Message.user("Why?"), created_at=NOON, responses=(response,))


def test_a_turn_shows_its_answer_and_who_gave_it() -> None:
    assert "**Because.**\n\n*p:m answered in 1.0 s.*" == answered("**Because.**")._repr_markdown_()


def test_a_turn_that_waits_says_so() -> None:
    assert "*Not answered yet.*" == dataclasses.replace(answered(""), responses=())._repr_markdown_()


def test_a_conversation_shows_what_was_said_in_order_and_harmless() -> None:
    turn = answered("![x](https://evil.example/q) <script>alert(1)</script>")
    shown = Conversation(id="c", created_at=NOON, updated_at=NOON, turns=(turn,))._repr_markdown_()

    assert ["**You**", "Why?", "**Answer**"] == shown.split("\n\n")[:3]
    assert "![" not in shown
    assert "<script" not in shown


def test_an_empty_conversation_says_so() -> None:
    assert "*Nothing said yet.*" == Conversation(id="c", created_at=NOON, updated_at=NOON)._repr_markdown_()
