"""Providers' errors made ours."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.errors import ConnectionFailed, ProtocolError, ProviderError
from convoscope_jupyter.providers._errors import from_report, from_response, read_error
from convoscope_jupyter.redaction import Secret
from tests.support.reading import PEER


def error_of(status: int, body: object = b"", **headers: str) -> ProviderError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_response(PEER, status=status, headers=names, body=raw)


@pytest.mark.parametrize(
    "status, kind",
    [
        (400, "invalid_request"),
        (401, "authentication"),
        (402, "insufficient_quota"),
        (403, "permission_denied"),
        (404, "model_not_found"),
        (405, "invalid_request"),
        (408, "server_error"),
        (409, "server_error"),
        (413, "context_too_long"),
        (422, "invalid_request"),
        (429, "rate_limited"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "overloaded"),
        (504, "server_error"),
        (529, "overloaded"),
    ],
)
def test_an_error_without_a_code_is_told_by_its_status(status: int, kind: str) -> None:
    error = error_of(status, {"error": {"message": "no"}})

    assert (kind, status) == (error.kind, error.status_code)


@pytest.mark.parametrize(
    "status, error, kind",
    [
        (400, {"code": "model_not_found"}, "model_not_found"),
        (404, {"code": "DeploymentNotFound"}, "model_not_found"),
        (400, {"code": "context_length_exceeded"}, "context_too_long"),
        (400, {"type": "exceed_context_size_error", "code": 400}, "context_too_long"),
        (400, {"code": "content_filter", "status": 400}, "content_filtered"),
        (400, {"code": "content_policy_violation"}, "content_filtered"),
        (429, {"code": "insufficient_quota"}, "insufficient_quota"),
        (429, {"type": "insufficient_quota", "code": None}, "insufficient_quota"),
        (429, {"type": "tokens", "code": "rate_limit_exceeded"}, "rate_limited"),
        (
            429,
            {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}},
            "insufficient_quota",
        ),
        (500, {"type": "overloaded_error"}, "overloaded"),
        (503, {"code": "slow_down"}, "overloaded"),
        (404, {"type": "api_error", "code": None}, "model_not_found"),
        (400, {"type": "server_error"}, "invalid_request"),
        (402, {"code": "invalid_request_error", "type": "unknown_error"}, "insufficient_quota"),
        (400, {"code": "context_length_fine", "message": "context length is fine"}, "context_too_long"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_a_code_or_type_says_more_than_the_status_unless_it_is_vague(
    status: int, error: dict[str, object], kind: str
) -> None:
    assert kind == error_of(status, {"error": error}).kind


@pytest.mark.parametrize(
    "message, kind",
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5000.", "context_too_long"),
        ("prompt is too long: 210000 tokens > 200000 maximum", "context_too_long"),
        ("the request exceeds the available context size", "context_too_long"),
        ("input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000", "context_too_long"),
        (
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            "insufficient_quota",
        ),
        ("Output blocked by content filtering policy", "content_filtered"),
        ("temperature is too high", "invalid_request"),
    ],
)
def test_what_no_code_tells_is_told_by_its_words(message: str, kind: str) -> None:
    assert kind == error_of(400, {"error": {"message": message, "type": "BadRequestError", "code": 400}}).kind


@pytest.mark.parametrize("status, kind", [(429, "rate_limited"), (500, "server_error")])
def test_words_do_not_overrule_a_status_that_says_enough(status: int, kind: str) -> None:
    assert kind == error_of(status, {"error": {"message": "too many tokens"}}).kind


@pytest.mark.parametrize(
    "body, message",
    [
        ({"error": {"message": "boom"}}, "boom"),
        ({"error": "boom"}, "boom"),
        ({"error": ["boom"]}, '["boom"]'),
        ({"object": "error", "message": "boom"}, "boom"),
        ({"type": "error", "error": {"message": "boom"}}, "boom"),
        ({"detail": "boom"}, "boom"),
        ({"detail": [{"msg": "boom"}]}, '[{"msg": "boom"}]'),
        ([{"error": {"message": "boom"}}], "boom"),
        ("boom", "boom"),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "boom"}}},
            "Provider returned error: boom",
        ),
    ],
    ids=lambda value: json.dumps(value) if not isinstance(value, str) else None,
)
def test_the_shapes_of_errors(body: object, message: str) -> None:
    reported = read_error(body)

    assert reported is not None
    assert message == reported.message


@pytest.mark.parametrize(
    "body", [{}, [], None, 5, {"error": None}, {"error": {}, "detail": ""}.get("detail")], ids=repr
)
def test_what_reports_no_error(body: object) -> None:
    assert read_error(body) is None


@pytest.mark.parametrize(
    "status, body, expected",
    [
        (
            401,
            {"error": {"message": "Incorrect API key: sk-123"}},
            "The demo server rejected the key. Set its key, and retry.",
        ),
        (
            404,
            {"error": {"message": "no"}},
            (
                "The demo server has no model 'model', or this key may not use it. "
                "Did you mean model-small or model-large? It says: no"
            ),
        ),
        (
            404,
            b"404 page not found",
            "Nothing is served there at server.example (404). Check base_url: most servers want it to end in /v1.",
        ),
        (
            400,
            {"error": {"message": "Bad luck."}},
            "The demo server refused the request (400). It says: Bad luck.",
        ),
        (
            400,
            {"error": {"message": "Bad temperature."}},
            (
                "The demo server refused the request (400). Set session.temperature = None, or choose another model. "
                "It says: Bad temperature."
            ),
        ),
        (500, b"", "The demo server has trouble (500). Retry, or choose another model."),
        (
            502,
            b"<html><h1>502</h1></html>",
            (
                "The demo server has trouble (502). Retry, or choose another model. "
                "It says: A proxy or login page answered instead of server.example."
            ),
        ),
        (
            503,
            {"error": {"message": "busy"}},
            "The demo server is overloaded (503). Retry, or choose another model. It says: busy",
        ),
        (
            403,
            {"error": {"message": "no"}},
            (
                "The demo server does not let this key use model (403). "
                "Check its rights, or choose another model. It says: no"
            ),
        ),
        (
            402,
            b"",
            (
                "The demo server says that the account is out of credit or over a limit (402). "
                "Check its billing, or choose another model."
            ),
        ),
        (413, b"", "The conversation is too long for model (413). Shorten it, or choose a model with a larger window."),
    ],
    ids=["401", "404", "404 path", "400", "400 remedy", "500", "502 html", "503", "403", "402", "413"],
)
def test_what_people_are_told(status: int, body: object, expected: str) -> None:
    assert expected == error_of(status, body).message


@pytest.mark.parametrize(
    "headers, waiting, wait_s",
    [
        ({"retry_after": "20"}, "It asks to wait 20 s.", 20.0),
        ({"retry_after": "86400"}, "It asks to wait 86400 s.", 86400.0),
        ({"retry_after_ms": "1500"}, "It asks to wait 1.5 s.", 1.5),
        ({}, "Wait a little.", None),
    ],
    ids=["seconds", "a day", "milliseconds", "nothing"],
)
def test_how_long_to_wait_is_told(headers: dict[str, str], waiting: str, wait_s: float | None) -> None:
    error = error_of(429, {"error": {"message": "no"}}, **headers)

    assert f"The demo server had too many requests with this key (429). {waiting} It says: no" == error.message
    assert wait_s == error.retry_after_s


@given(body=st.binary(), status=st.integers(300, 599))
def test_no_body_makes_us_crash(body: bytes, status: int) -> None:
    assert len(error_of(status, body).message) <= 300


@pytest.mark.parametrize(
    "location, where",
    [
        ("https://elsewhere.example/v1", "to elsewhere.example, "),
        ("//elsewhere.example:8080/v1", "to elsewhere.example:8080, "),
        ("/v2", ""),
        ("", ""),
    ],
)
def test_a_redirect_is_told_and_not_followed(location: str, where: str) -> None:
    error = error_of(307, location=location)

    assert error.message.startswith(f"server.example redirects {where}which is not followed")
    assert isinstance(error, ConnectionFailed)
    assert not error.retryable


@pytest.mark.parametrize("quote", ["secret-key-of-the-test", "Bearer abc123def456ghi", "sk-abcdefghijklmnop1234"])
def test_a_key_that_a_provider_quotes_is_masked(quote: str) -> None:
    peer = replace(PEER, key=Secret("secret-key-of-the-test"))
    body = json.dumps({"error": {"message": f"what is {quote}?"}}).encode()
    error = from_response(peer, status=400, headers={"x-request-id": quote}, body=body)

    assert quote not in str(error)
    assert "what is" in str(error)


def test_a_readers_error_gets_its_names() -> None:
    error = PEER.named(ProtocolError("The server sent nothing instead of the server."), request_id="req_1")

    assert "server:model: The demo server sent nothing instead of server.example." == str(error)
    assert "req_1" == error.request_id


def test_an_error_with_names_keeps_them() -> None:
    reported = read_error({"error": {"message": "boom"}})
    assert reported is not None
    error = from_report(PEER, reported, request_id="req_1", default=ProtocolError)

    assert error is PEER.named(error, request_id=None)
    assert "The demo server answered with an error instead of text. It says: boom" == error.message
