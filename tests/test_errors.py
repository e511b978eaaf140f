"""The error tree: what is drawn is what there is."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest

from convoscope_jupyter import errors
from convoscope_jupyter.errors import (
    AnswerInterrupted,
    BudgetExceeded,
    ConnectionFailed,
    ConversationBusy,
    ConversationNotFound,
    ConvoError,
    FileAlreadyExists,
    ImportFormatError,
    InvalidPrompt,
    InvalidRoute,
    InvalidSetting,
    ProviderError,
    RateLimited,
    RouteExhausted,
    StoreBusy,
    StoreError,
    TimedOut,
    UnknownFormat,
    UnknownModel,
    UnknownProvider,
)
from convoscope_jupyter.messages import Attempt, ErrorKind, Message, ModelRef, Response, Turn

CLASSES = {
    name: value for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, ConvoError)
}
PARTIAL = Turn(
    id="t",
    parent_id=None,
    prompt=Message.user("?"),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    responses=(
        Response(
            message=Message.assistant("Hel"),
            status="interrupted",
            attempts=(
                Attempt(
                    model=ModelRef(provider="openai", name="m"),
                    started_at=datetime(2026, 1, 1, tzinfo=UTC),
                    duration_s=1,
                    error_kind="interrupted",
                    error_message="The connection broke.",
                ),
            ),
        ),
    ),
)
EXAMPLES: list[ConvoError] = [
    InvalidPrompt("empty"),
    UnknownProvider("opnai", ["openai", "demo"]),
    UnknownModel("gpt-5-mini", ["openai:gpt-5-mini"]),
    ConversationBusy("t"),
    ConversationNotFound("c"),
    BudgetExceeded("Too much.", unit="usd", limit=Decimal("0.5"), spent=Decimal("0.4"), estimate=None),
    AnswerInterrupted(PARTIAL),
    UnknownFormat("chat.docx", [".ipynb", ".json"]),
    ImportFormatError("is not JSON.", path="chat.json", line=3),
    FileAlreadyExists("chat.json"),
    RateLimited("Too many.", provider="openai", model="m", status_code=429, request_id="r", retry_after_s=3.0),
    ConnectionFailed("No such host.", provider="openai", model="m", retryable=False),
    RouteExhausted("Nobody.", [RateLimited("Too many.", provider="openai", model="m")], turn=PARTIAL),
    StoreBusy("Locked.", path="/x"),
]


def drawn() -> dict[str, str]:
    """Class and parent, as the module's docstring draws them."""
    parents, last = {"ConvoError": ""}, ""
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r" {4}[├└]── (\w+)[^─]*(?:── (.+))?$", line):
            last = found[1]
            parents |= {last: "ConvoError"} | dict.fromkeys(re.findall(r"\w+", found[2] or ""), last)
        elif line.startswith("    │"):
            parents |= dict.fromkeys(re.findall(r"── (\w+)", line), last)
    return parents


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    expected = {name: "" if cls is ConvoError else cls.__bases__[0].__name__ for name, cls in CLASSES.items()}

    assert expected == drawn()


@pytest.mark.parametrize(
    "kind,also",
    [
        pytest.param(InvalidPrompt, ValueError, id="prompt"),
        pytest.param(InvalidRoute, ValueError, id="route"),
        pytest.param(InvalidSetting, ValueError, id="setting"),
        pytest.param(ConversationNotFound, LookupError, id="not found"),
        pytest.param(UnknownFormat, ValueError, id="unknown format"),
        pytest.param(ImportFormatError, ValueError, id="import"),
        pytest.param(FileAlreadyExists, FileExistsError, id="file exists"),
        pytest.param(RouteExhausted, ExceptionGroup, id="exhausted"),
    ],
)
def test_an_error_is_also_what_python_calls_it(kind: type, also: type) -> None:
    assert issubclass(kind, also)


def test_every_kind_but_cancelled_has_one_class() -> None:
    kinds = [cls.kind for cls in CLASSES.values() if issubclass(cls, ProviderError) and cls is not ProviderError]

    assert sorted(set(get_args(ErrorKind)) - {"cancelled"}) == sorted(kinds)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_being_sent_to_another_process(error: ConvoError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(error) is type(again)
    assert str(error) == str(again)
    assert vars(error).keys() == vars(again).keys()


def test_an_error_can_be_copied() -> None:
    error = ConversationBusy("t")

    assert ("t", str(error)) == (copy.copy(error).turn_id, str(copy.copy(error)))


@pytest.mark.parametrize(
    "error,expected",
    [
        pytest.param(UnknownProvider("opnai", ["openai"]), ("opnai", ("openai",)), id="provider"),
        pytest.param(UnknownModel("m"), ("m", ()), id="model"),
    ],
)
def test_an_invalid_route_says_what_was_asked_for_and_what_there_is(
    error: UnknownProvider | UnknownModel, expected: tuple[str, tuple[str, ...]]
) -> None:
    data = (error.provider, error.known) if isinstance(error, UnknownProvider) else (error.ref, error.suggestions)

    assert expected == data


@pytest.mark.parametrize(
    "error,remedy",
    [
        pytest.param(UnknownProvider("x", ["openai"]), "cv.OpenAICompatible(", id="provider"),
        pytest.param(UnknownModel("gpt", ["openai:gpt"]), "Did you mean openai:gpt?", id="model"),
        pytest.param(UnknownModel("gpt"), "Write provider:model.", id="model without suggestions"),
        pytest.param(ConversationBusy("t"), "stop it first", id="busy"),
        pytest.param(ConversationNotFound("c"), "cv.open_store().list()", id="not found"),
        pytest.param(AnswerInterrupted(PARTIAL), "session.continue_(error.turn)", id="interrupted"),
    ],
)
def test_a_message_says_what_to_do(error: ConvoError, remedy: str) -> None:
    assert remedy in str(error)


def test_an_interrupted_answer_is_kept_and_says_why_it_broke_off() -> None:
    error = AnswerInterrupted(PARTIAL)

    assert PARTIAL is error.turn
    assert str(error).startswith(
        "the answer broke off after 3 characters, which are kept in .turn. The connection broke."
    )


def test_an_interrupted_turn_without_a_response_has_a_message_too() -> None:
    empty = Turn(id="t", parent_id=None, prompt=Message.user("?"), created_at=PARTIAL.created_at)

    assert str(AnswerInterrupted(empty)).startswith("the answer broke off after 0 characters")


@pytest.mark.parametrize(
    "path,named",
    [
        pytest.param("notes/chat.docx", "'.docx'", id="path"),
        pytest.param(".docx", "'.docx'", id="suffix"),
        pytest.param("old.notes/chat", "'chat'", id="no suffix"),
        pytest.param("C:\\old.notes\\chat", "'chat'", id="no suffix on Windows"),
        pytest.param("", "''", id="nothing"),
    ],
)
def test_an_unknown_format_names_the_suffix_and_what_there_is(path: str, named: str) -> None:
    error = UnknownFormat(path, [".ipynb", ".json"])

    assert (path, (".ipynb", ".json")) == (error.path, error.known)
    assert f"convoscope reads and writes .ipynb and .json, not {named}. Choose one of them." == str(error)


def test_a_file_that_cannot_be_read_is_named_with_its_line() -> None:
    error = ImportFormatError("is not JSON. Save it again.", path="a\x1b.json", line=3)

    assert ("a\x1b.json", 3) == (error.path, error.line)
    assert r"'a\x1b.json', line 3, is not JSON. Save it again." == str(error)
    assert "'b.json' is empty." == str(ImportFormatError("is empty.", path="b.json"))


def test_a_file_that_exists_is_named_with_both_ways_out() -> None:
    error = FileAlreadyExists("chat.json")

    assert "chat.json" == error.path
    assert "'chat.json' exists already and was left as it is. Choose another name, or pass overwrite=True." == str(
        error
    )
    assert (str(error), "chat.json") == (str(copy.copy(error)), copy.copy(error).path)


def test_a_providers_error_carries_data_and_names_its_model() -> None:
    error = RateLimited("Too many.", provider="openai", model="m", status_code=429, request_id="r", retry_after_s=3.0)

    assert ("openai", "m", 429, "r", 3.0) == (
        error.provider,
        error.model,
        error.status_code,
        error.request_id,
        error.retry_after_s,
    )
    assert "openai:m: Too many." == str(error)
    assert "Too many." == error.message
    assert "Too many." == str(RateLimited("Too many."))


@pytest.mark.parametrize("retryable", [True, False])
def test_a_failed_connection_says_whether_a_second_try_can_help(retryable: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert retryable is ConnectionFailed("x", retryable=retryable).retryable


def test_a_store_error_names_its_file() -> None:
    assert ("/x", "Locked.") == (StoreBusy("Locked.", path="/x").path, str(StoreError("Locked.", path="/x")))


# --- a route that is exhausted -----------------------------------------------------------------------


def exhausted() -> RouteExhausted:
    failures: list[ProviderError] = [
        RateLimited("Too many requests.", provider="openai", model="m"),
        TimedOut("No answer in 30 s.", provider="google", model="n"),
    ]
    return RouteExhausted("No model answered.", failures, turn=PARTIAL)


def test_an_exhausted_route_is_one_line_for_each_attempt() -> None:
    expected = "No model answered.\n  1. openai:m: Too many requests.\n  2. google:n: No answer in 30 s."

    assert expected == str(exhausted())


def test_in_ipython_an_exhausted_route_is_a_few_lines_instead_of_a_page() -> None:
    assert ["RouteExhausted: " + str(exhausted())] == exhausted()._render_traceback_()


def test_python_itself_draws_every_attempt() -> None:
    drawn = "".join(traceback.format_exception(exhausted()))

    assert "RateLimited: openai:m: Too many requests." in drawn
    assert "TimedOut: google:n: No answer in 30 s." in drawn


def test_except_star_picks_a_kind_and_leaves_the_rest_a_route_exhausted_with_its_turn() -> None:
    picked: list[BaseException] = []

    def pick_the_time_outs() -> None:
        try:
            raise exhausted()
        except* TimedOut as group:
            picked.extend(group.exceptions)

    with pytest.raises(RouteExhausted) as rest:
        pick_the_time_outs()

    assert [TimedOut] == [type(error) for error in picked]
    assert [RateLimited] == [type(error) for error in rest.value.exceptions]
    assert PARTIAL is rest.value.turn


@pytest.mark.parametrize(
    "split",
    [
        pytest.param(lambda group: group.subgroup(TimedOut), id="subgroup"),
        pytest.param(lambda group: group.split(TimedOut)[0], id="split"),
        pytest.param(lambda group: group.derive(group.exceptions[1:]), id="derive"),
    ],
)
def test_a_part_of_an_exhausted_route_is_one(split: Callable[[RouteExhausted], RouteExhausted]) -> None:
    part = split(exhausted())

    assert RouteExhausted is type(part)
    assert ("No model answered.", PARTIAL, 1) == (part.message, part.turn, len(part.exceptions))


def test_an_exhausted_route_is_caught_as_any_error_of_ours() -> None:
    with pytest.raises(ConvoError, match="No model answered"):
        raise exhausted()
