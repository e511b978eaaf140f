"""Providers' errors made ours: by code and type first, then by HTTP status; by words only where there is neither.

Transport failures are in `_transport.py`. What follows from each kind is the routing policy's. The words are OpenAI's
(https://platform.openai.com/docs/guides/error-codes), those of Azure, vLLM, llama.cpp, DeepSeek, OpenRouter and
Anthropic, which reach us through the same formats, and Google's (https://ai.google.dev/gemini-api/docs/troubleshooting).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from convoscope_jupyter.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    InsufficientQuota,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    ProviderError,
    RateLimited,
    ServerError,
)
from convoscope_jupyter.providers._decoding import as_list, as_object, as_text
from convoscope_jupyter.providers._google_errors import delay_s, reason_of
from convoscope_jupyter.providers._headers import request_id_of, retry_after_s
from convoscope_jupyter.providers._remedies import remedy_for
from convoscope_jupyter.redaction import Secret, safe_error_text

_MAX_BODY_BYTES = 64_000
"""As much of an error's body as is looked at."""

Kind = type[ProviderError]

_BY_WORD: dict[str, Kind] = {
    word: kind
    for kind, words in {
        AuthenticationFailed: "invalid_api_key authentication_error invalid_authentication token_expired "
        "account_deactivated api_key_invalid unauthenticated",
        PermissionDenied: "permission_denied permission_error unsupported_country_region_territory "
        "failed_precondition",  # Google's, where it does not offer its API, or not for free
        InsufficientQuota: "insufficient_quota quota_exceeded insufficient_balance billing_hard_limit_reached "
        "billing_not_active billing_error insufficient_credits enforced_spend_limit_reached "
        "contract_spend_limit_reached linked_organization_spend_limit_reached",
        RateLimited: "rate_limit_exceeded rate_limit_error rate_limit_reached too_many_requests requests tokens "
        "resource_exhausted",
        Overloaded: "overloaded overloaded_error server_overloaded engine_overloaded slow_down unavailable "
        "unavailable_error service_unavailable",
        ServerError: "timeout_error request_timeout",
        ModelNotFound: "model_not_found deploymentnotfound not_found_error notfounderror",
        ContextTooLong: "context_length_exceeded exceed_context_size_error request_too_large "
        "model_context_window_exceeded",
        ContentFiltered: "content_filter content_policy_violation responsibleaipolicyviolation moderation_blocked "
        "invalid_prompt",
    }.items()
    for word in words.split()
}
"""Codes and types that say more than any status."""

_BY_VAGUE_WORD: dict[str, Kind] = {
    "invalid_request_error": InvalidRequest,
    "badrequesterror": InvalidRequest,
    "server_error": ServerError,
    "api_error": ServerError,
    "internal_error": ServerError,
    "internal_server_error": ServerError,
    "internalservererror": ServerError,
    "internal": ServerError,
    "deadline_exceeded": ServerError,
    "invalid_argument": InvalidRequest,
    "not_found": ModelNotFound,
}
"""Words that some servers put on every error. They count only where no status says better."""

_BY_STATUS: dict[int, Kind] = {
    401: AuthenticationFailed,
    402: InsufficientQuota,
    403: PermissionDenied,
    404: ModelNotFound,
    408: ServerError,
    409: ServerError,
    413: ContextTooLong,
    429: RateLimited,
    503: Overloaded,
    529: Overloaded,  # Anthropic's, https://docs.claude.com/en/api/errors
}

_BY_SAYING: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"context (?:length|limit|window|size)|maximum context", ContextTooLong),
        (r"(?:prompt|input) is too long|too many (?:input )?tokens", ContextTooLong),
        (r"exceeds the maximum number of (?:input )?tokens", ContextTooLong),
        (r"credit balance is too low", InsufficientQuota),
        (r"blocked by content filtering", ContentFiltered),
    )
)
"""What some providers, Anthropic among them, tell in words only, under the status and type of any bad request."""

_MAX_SAID = 2000
"""As much of a provider's own words as is searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom a request goes to, as errors tell it. The key is there to be masked in what comes back."""

    provider: str
    """Name of the provider in the route."""
    model: str
    label: str
    """What people call it: `OpenAI`, or a server's host."""
    host: str
    """Host, with the port where it is not the usual one."""
    key: Secret | None
    key_remedy: str
    """What to do about a missing or rejected key."""
    known_models: tuple[str, ...] = ()
    """Names to suggest when the model is not found."""

    def error(
        self,
        kind: Kind,
        message: str,
        *,
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> ProviderError:
        """An error about this peer, its message redacted and cut to 300 characters."""
        error = kind(
            safe_error_text(message, self.key),
            provider=self.provider,
            model=self.model,
            status_code=status_code,
            request_id=request_id,
        )
        error.retry_after_s = retry_after_s
        return error

    def unreachable(
        self, message: str, *, status_code: int | None = None, request_id: str | None = None
    ) -> ProviderError:
        """A failed connection that a second try cannot mend."""
        return ConnectionFailed(
            safe_error_text(message, self.key),
            provider=self.provider,
            model=self.model,
            status_code=status_code,
            request_id=request_id,
            retryable=False,
        )

    def named(self, error: ProviderError, *, request_id: str | None) -> ProviderError:
        """An error of a reader that does not know whom it reads from, with the names filled in."""
        if error.provider:
            return error
        message = error.message.replace("The server", self.label).replace("the server", self.host)
        return self.error(type(error), message, request_id=request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedError:
    """What a provider says went wrong, read from whichever shape it chose."""

    message: str
    code: str = ""
    type: str = ""
    param: str = ""
    """The parameter that is at fault."""
    status: int | None = None
    """An HTTP status told inside the error, as gateways and Google do."""
    retry_after_s: float | None = None
    """A time to wait told inside the error, as Google does."""


def read_error(payload: object) -> ReportedError | None:
    """Find the error in a JSON value; `None` when it reports none.

    Args:
        payload: `{"error": {…}}` of OpenAI, Anthropic and most; `{"error": "…"}`; `{"object": "error", …}` of vLLM;
            `{"detail": …}` of FastAPI; any of them in a list, as Google's compatible endpoint has it; or a bare text.
    """
    while isinstance(payload, list):
        payload = next(iter(as_list(cast("object", payload))), None)
    body = as_object(payload)
    error, detail = body.get("error"), body.get("detail")
    if isinstance(error, dict):
        return _reported(as_object(cast("object", error)))
    if body.get("object") == "error" or body.get("type") == "error":
        return _reported(body)
    found = error or detail or (payload if isinstance(payload, str) else None)
    if not found:
        return None
    return ReportedError(message=found if isinstance(found, str) else json.dumps(found))


def read_error_event(data: str) -> ReportedError:
    """Read the data of an event that is named an error: it is one whatever its shape.

    Args:
        data: JSON, or plain text.
    """
    try:
        payload: object = json.loads(data)
    except (ValueError, RecursionError):
        return ReportedError(message=data)
    return read_error(payload) or _reported(as_object(payload))


def _reported(error: Mapping[str, object]) -> ReportedError:
    code = error.get("code")
    upstream = as_text(as_object(error.get("metadata")).get("raw"))  # OpenRouter's: what the model's own host said
    detail = as_object(error.get("details"))  # Anthropic's
    statuses = (error.get("status_code"), error.get("status"), code)
    return ReportedError(
        message=": ".join(part for part in (as_text(error.get("message")), upstream) if part),
        code=as_text(code) or as_text(detail.get("error_code")) or reason_of(error),
        type=as_text(error.get("type")) or as_text(error.get("status")),
        param=as_text(error.get("param")),
        status=next((status for status in statuses if isinstance(status, int) and 400 <= status < 600), None),  # noqa: PLR2004 - the range of HTTP errors
        retry_after_s=delay_s(error),
    )


def kind_of(reported: ReportedError | None, status: int | None, *, default: Kind) -> Kind:
    """The kind of an error.

    Args:
        reported: What the provider says, if it can be read.
        status: HTTP status, when it is that of an error.
        default: For an error that says nothing at all.
    """
    words = [word.lower() for word in (reported.code, reported.type) if word] if reported else []
    for word in words:
        if word in _BY_WORD:
            return _BY_WORD[word]
    status = status or (reported.status if reported else None)
    by_status = _kind_by_status(status) if status else None
    if by_status in {None, InvalidRequest} and reported:
        said = reported.message[:_MAX_SAID]
        by_saying = next((kind for pattern, kind in _BY_SAYING if pattern.search(said)), None)
        if by_saying:
            return by_saying
    if by_status:
        return by_status
    return next((_BY_VAGUE_WORD[word] for word in words if word in _BY_VAGUE_WORD), default)


def _kind_by_status(status: int) -> Kind:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerError
    return InvalidRequest if status >= HTTPStatus.BAD_REQUEST else ConnectionFailed


def from_response(peer: Peer, *, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error that an HTTP answer with an error status, or a redirect, amounts to.

    Args:
        peer: Whom was asked.
        status: 300 or above.
        headers: Of the answer; looked up by lower-case names.
        body: As it came.
    """
    request_id = request_id_of(headers, peer.key)
    if status < HTTPStatus.BAD_REQUEST:
        return _redirected(peer, status, headers.get("location", ""), request_id)
    text = body[:_MAX_BODY_BYTES].decode("utf-8", "replace").strip()
    if looks_like_html(text, headers.get("content-type", "")):
        reported = None
        said = f"A proxy or login page answered instead of {peer.host}."
    else:
        reported = _read_body(text)
        said = reported.message if reported else ""
    kind = kind_of(reported, status, default=InvalidRequest)
    wait_s = retry_after_s(headers)
    if wait_s is None and reported:
        wait_s = reported.retry_after_s
    return peer.error(
        kind,
        _sentence(kind, peer, reported, status=status, said=said, wait_s=wait_s),
        status_code=status,
        request_id=request_id,
        retry_after_s=wait_s,
    )


def from_report(peer: Peer, reported: ReportedError, *, request_id: str | None, default: Kind) -> ProviderError:
    """The error that a provider reports inside an answer that began well.

    Args:
        peer: Whom was asked.
        reported: What it says.
        request_id: Of the answer.
        default: Kind of an error without code, type and status.
    """
    kind = kind_of(reported, None, default=default)
    wait_s = reported.retry_after_s
    message = _sentence(kind, peer, reported, status=reported.status, said=reported.message, wait_s=wait_s)
    return peer.error(kind, message, status_code=reported.status, request_id=request_id, retry_after_s=wait_s)


def _read_body(text: str) -> ReportedError | None:
    try:
        return read_error(json.loads(text))
    except (ValueError, RecursionError):
        return None


def looks_like_html(text: str, content_type: str = "") -> bool:
    """Whether what came is a web page. No answer of an API begins with a bracket like this."""
    return "text/html" in content_type.lower() or text.lstrip("\ufeff \t\r\n").startswith("<")


def _redirected(peer: Peer, status: int, location: str, request_id: str | None) -> ProviderError:
    other = re.match(r"(?:https?:)?//([\w.\[\]:-]{1,100})", location)
    where = f"to {other[1]}, " if other else ""
    return peer.unreachable(
        f"{peer.host} redirects {where}which is not followed, so that the question and the key go nowhere else. "
        "Set base_url to the server's final address.",
        status_code=status,
        request_id=request_id,
    )


def _sentence(
    kind: Kind, peer: Peer, reported: ReportedError | None, *, status: int | None, said: str, wait_s: float | None
) -> str:
    """What happened, to whom, what to do; then the provider's own words, so far as there is room."""
    code = f" ({status})" if status else ""
    said = f" It says: {said}" if said else ""
    wait = f" It asks to wait {wait_s:g} s." if wait_s is not None else ""
    if kind is AuthenticationFailed:
        # Without the provider's words: they quote the key.
        return f"{peer.label} rejected the key. {peer.key_remedy}"
    if kind is ModelNotFound and not reported:  # and so no API
        return (
            f"Nothing is served there at {peer.host}{code}. Check base_url: most servers want it to end in /v1.{said}"
        )
    sentences: dict[Kind, str] = {
        PermissionDenied: f"{peer.label} does not let this key use {peer.model}{code}. Check its rights, or choose "
        f"another model.{said}",
        InsufficientQuota: f"{peer.label} says that the account is out of credit or over a limit{code}. Check its "
        f"billing, or choose another model.{said}",
        RateLimited: f"{peer.label} had too many requests with this key{code}.{wait or ' Wait a little.'}{said}",
        Overloaded: f"{peer.label} is overloaded{code}.{wait} Retry, or choose another model.{said}",
        ServerError: f"{peer.label} has trouble{code}. Retry, or choose another model.{said}",
        ModelNotFound: f"{peer.label} has no model {peer.model!r}, or this key may not use it.{_near(peer)}{said}",
        ContextTooLong: f"The conversation is too long for {peer.model}{code}. Shorten it, or choose a model with a "
        f"larger window.{said}",
        ContentFiltered: f"{peer.label} refused for its content policy{code}. Rephrase the question.{said}",
        ProtocolError: f"{peer.label} answered with an error instead of text.{said}",
    }
    if kind in sentences:
        return sentences[kind]
    remedy = remedy_for(reported.param, reported.code, reported.message[:_MAX_SAID]) if reported else ""
    return f"{peer.label} refused the request{code}.{remedy and f' {remedy}'}{said}"


def _near(peer: Peer) -> str:
    near = difflib.get_close_matches(peer.model, peer.known_models, n=3)
    return f" Did you mean {' or '.join(near)}?" if near else ""
