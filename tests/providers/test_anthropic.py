"""The provider `Anthropic`: its own settings, and what its SDK must not do. The rest is in `test_contract.py`."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from convoscope_jupyter import config
from convoscope_jupyter.errors import ConnectionFailed, InvalidSetting
from convoscope_jupyter.messages import Message
from convoscope_jupyter.providers import Anthropic, ChatRequest, ProviderStatus
from tests.support.anthropic_wire import ANTHROPIC, error_reply
from tests.support.loopback import Loopback, Reply, json_reply
from tests.support.reading import Read, read

KEY = "sk-ant-canary-abcdefghijkl0123456789"
OTHER_KEY = "sk-ant-other-abcdefghijkl0123456789"
REQUEST = ChatRequest(provider="anthropic", model="claude-sonnet-5-5", messages=(Message.user("hi"),))


async def ask(provider: Anthropic, request: ChatRequest = REQUEST) -> Read:
    return await read(provider.stream(request))


# --- what is sent ---------------------------------------------------------------------------------------------------


async def test_the_api_gets_the_bound_that_it_wants() -> None:
    async with Loopback(ANTHROPIC.stream()) as server:
        await ask(Anthropic(api_key=KEY, base_url=server.url))

    assert {
        "model": "claude-sonnet-5-5",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    } == server.requests[0].json


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/gateway", "/gateway/v1"])
async def test_an_address_may_end_in_v1_or_not(suffix: str) -> None:
    async with Loopback(ANTHROPIC.stream()) as server:
        await ask(Anthropic(api_key=KEY, base_url=f"{server.url}{suffix}"))

    path = "/gateway/v1/messages" if "gateway" in suffix else "/v1/messages"
    assert path == server.requests[0].path


async def test_an_old_model_is_asked_without_a_warning_of_the_sdk() -> None:
    async with Loopback(ANTHROPIC.stream()) as server:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            answer = await ask(Anthropic(api_key=KEY, base_url=server.url), replace(REQUEST, model="claude-2.1"))

    assert ([], "Hello") == ([str(warning.message) for warning in seen], answer.text)
    assert "claude-2.1" == server.requests[0].json["model"]


async def test_nothing_traces_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "true")
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content")
    from opentelemetry import context, trace  # noqa: PLC0415 - comes with the SDK

    parent = trace.SpanContext(trace_id=1, span_id=1, is_remote=False, trace_flags=trace.TraceFlags(1))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    try:
        async with Loopback(ANTHROPIC.stream()) as server:
            await ask(Anthropic(api_key=KEY, base_url=server.url))
    finally:
        context.detach(token)

    assert not {"traceparent", "tracestate", "baggage"} & server.requests[0].headers.keys()


async def test_a_server_may_ignore_that_a_stream_was_asked_for() -> None:
    whole = {
        "type": "message",
        "id": "msg_1",
        "model": "model",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
    }
    async with Loopback(json_reply(whole)) as server:
        answer = await ask(Anthropic(api_key=KEY, base_url=server.url))

    assert ("Hello", "stop") == (answer.text, answer.finish_reason)


# --- keys, and the rest of the environment --------------------------------------------------------------------------


async def test_without_a_key_anthropic_is_not_asked() -> None:
    answer = await ask(Anthropic())

    assert "missing_credentials" == answer.error_kind
    assert 'No key for Anthropic. Set ANTHROPIC_API_KEY, or cv.set_key("anthropic"), and retry.' in str(answer.error)


async def test_a_key_counts_from_the_moment_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loopback(ANTHROPIC.stream()) as server:
        provider = Anthropic(base_url=server.url)
        await ask(provider)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        await ask(provider)
        config.set_key("anthropic", OTHER_KEY)
        await ask(provider)

    assert ["Bearer none", f"Bearer {KEY}", f"Bearer {OTHER_KEY}"] == [
        request.headers["authorization"] for request in server.requests
    ]


async def test_the_sdk_finds_no_credential_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "credentials").mkdir()
    profile = {"type": "access_token", "access_token": "profile-canary", "base_url": "http://127.0.0.1:9"}
    for folder in ("configs", "credentials"):
        (tmp_path / folder / "default.json").write_text(json.dumps(profile), encoding="utf-8")
    for name, value in {
        "ANTHROPIC_AUTH_TOKEN": "token-canary",
        "ANTHROPIC_CONFIG_DIR": str(tmp_path),
        "ANTHROPIC_PROFILE": "default",
        "ANTHROPIC_IDENTITY_TOKEN": "identity-canary",
        "ANTHROPIC_FEDERATION_RULE_ID": "rule",
        "ANTHROPIC_ORGANIZATION_ID": "organization",
    }.items():
        monkeypatch.setenv(name, value)
    async with Loopback(ANTHROPIC.stream()) as server:
        await ask(Anthropic(base_url=server.url))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        await ask(Anthropic())
        client = await Anthropic()._client(Anthropic()._destination("anthropic"))

    assert (None, None) == (client.auth_token, client.credentials)
    assert ["Bearer none", "Bearer none"] == [request.headers["authorization"] for request in server.requests]
    assert "canary" not in repr(server.requests)


CUSTOM_HEADERS = "X-Gateway: token-canary\nnonsense\nauthorization: Bearer other-canary\nX-API-Key: third-canary"


async def test_headers_of_the_environment_go_to_no_address_that_the_program_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", CUSTOM_HEADERS)
    async with Loopback(ANTHROPIC.stream(), ANTHROPIC.models_reply) as server:
        provider = Anthropic(api_key=KEY, base_url=server.url)
        await ask(provider)
        await provider.list_models("anthropic")

    assert 2 == len(server.requests)
    for request in server.requests:
        assert f"Bearer {KEY}" == request.headers["authorization"]
        assert "canary" not in repr(request).replace(KEY, "")


async def test_headers_of_the_environment_go_to_the_address_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", CUSTOM_HEADERS)
    async with Loopback(ANTHROPIC.stream()) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        await ask(Anthropic(api_key=KEY))

    headers = server.requests[0].headers
    assert (f"Bearer {KEY}", "token-canary") == (headers["authorization"], headers["x-gateway"])


def test_headers_of_the_environment_go_to_anthropic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", CUSTOM_HEADERS)
    provider = Anthropic(api_key=KEY, base_url="https://api.anthropic.com/v1")
    to = provider._destination("anthropic")

    assert {"authorization": f"Bearer {KEY}"} == provider._headers(to)
    assert "https://api.anthropic.com" == to.address.url


@pytest.mark.parametrize("key", ["two words", "schlüssel", "line\nbreak"])
def test_a_key_that_cannot_be_one_is_refused_unseen(key: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Anthropic(api_key=key)

    assert key not in str(caught.value)


async def test_a_rejected_key_tells_where_to_set_another() -> None:
    async with Loopback(error_reply(401, "authentication_error", f"invalid key {KEY}")) as server:
        error = (await ask(Anthropic(api_key=KEY, base_url=server.url))).error

    assert f"anthropic:claude-sonnet-5-5: 127.0.0.1:{server.port} rejected the key. " in str(error)
    assert str(error).endswith("Pass a valid api_key to cv.Anthropic(), and retry.")


# --- addresses and status -------------------------------------------------------------------------------------------


def test_an_address_without_tls_elsewhere_is_refused_unless_allowed() -> None:
    with pytest.raises(InvalidSetting):
        Anthropic(base_url="http://server.example")
    assert not Anthropic(base_url="http://server.example", allow_http=True).is_local


async def test_an_address_in_the_environment_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://server.example")
    provider = Anthropic(api_key=KEY)
    error = (await ask(provider)).error

    assert isinstance(error, ConnectionFailed)
    assert provider.status("anthropic").remedy == error.message


@pytest.mark.parametrize(
    "provider, expected",
    [
        (
            Anthropic(),
            ProviderStatus(
                name="anthropic",
                ready=False,
                key_source=None,
                host=None,
                remedy='Set ANTHROPIC_API_KEY, or cv.set_key("anthropic"), and retry.',
            ),
        ),
        (
            Anthropic(api_key=KEY),
            ProviderStatus(name="anthropic", ready=True, key_source="your code", host=None, remedy=None),
        ),
        (
            Anthropic(base_url="http://127.0.0.1:4000"),
            ProviderStatus(name="anthropic", ready=True, key_source=None, host="127.0.0.1:4000", remedy=None),
        ),
    ],
    ids=["no key", "key", "local"],
)
def test_the_status_says_what_a_person_should_know(provider: Anthropic, expected: ProviderStatus) -> None:
    assert expected == provider.status("anthropic")


# --- models ---------------------------------------------------------------------------------------------------------


def page(*names: str, has_more: bool) -> Reply:
    data = [{"type": "model", "id": name, "display_name": name} for name in names]
    return json_reply({"data": data, "has_more": has_more, "first_id": names[0], "last_id": names[-1]})


async def test_the_list_of_models_is_read_to_its_end() -> None:
    async with Loopback(page("c", "b", has_more=True), page("a", has_more=False)) as server:
        assert ("a", "b", "c") == await Anthropic(api_key=KEY, base_url=server.url).list_models("anthropic")

    assert ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=b"] == [r.path for r in server.requests]
    assert {f"Bearer {KEY}"} == {request.headers["authorization"] for request in server.requests}


async def test_models_that_can_no_longer_be_asked_are_not_listed() -> None:
    models = [{"id": "old", "lifecycle": "retired"}, {"id": "new", "lifecycle": "active"}, {"id": "other"}]
    async with Loopback(json_reply({"data": models, "has_more": False})) as server:
        assert ("new", "other") == await Anthropic(api_key=KEY, base_url=server.url).list_models("anthropic")


async def test_a_list_of_models_without_an_end_is_left_off() -> None:
    async with Loopback(page("a", has_more=True)) as server:
        assert ("a",) == await Anthropic(api_key=KEY, base_url=server.url).list_models("anthropic")

    assert 5 == len(server.requests)
