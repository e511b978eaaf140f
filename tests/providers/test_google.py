"""The provider `Google`: its own settings, and what its SDKs must not do. The rest is in `test_contract.py`."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.genai import _api_client

from convoscope_jupyter import config
from convoscope_jupyter.errors import ConnectionFailed, InvalidSetting
from convoscope_jupyter.messages import Message
from convoscope_jupyter.providers import ChatRequest, Google, ProviderStatus
from convoscope_jupyter.providers._http import shared_client
from tests.support.every_wire import over
from tests.support.gemini_wire import FORMER_GOOGLE, GOOGLE, error_reply, response
from tests.support.loopback import HANG, Loopback, Reply, event, json_reply
from tests.support.reading import Read, read
from tests.support.wires import Wire

KEY = "AIza-canary-abcdefghijkl0123456789"
OTHER_KEY = "AIza-other-abcdefghijkl0123456789"
REQUEST = ChatRequest(provider="google", model="gemini-3.8-flash", messages=(Message.user("hi"),))

over_both_sdks = over(GOOGLE, FORMER_GOOGLE)


async def ask(provider: Any, request: ChatRequest = REQUEST) -> Read:  # noqa: ANN401 - any provider
    return await read(provider.stream(request))


# --- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix, path",
    [
        ("", "/v1beta"),
        ("/", "/v1beta"),
        ("/v1beta", "/v1beta"),
        ("/v1beta/", "/v1beta"),
        ("/v1", "/v1"),
        ("/gateway", "/gateway/v1beta"),
        ("/gateway/v1alpha", "/gateway/v1alpha"),
    ],
)
async def test_an_address_may_end_in_a_version_or_not(suffix: str, path: str) -> None:
    async with Loopback(GOOGLE.stream()) as server:
        await ask(Google(api_key=KEY, base_url=f"{server.url}{suffix}"))

    assert f"{path}/models/gemini-3.8-flash:streamGenerateContent?alt=sse" == server.requests[0].path


@over_both_sdks
async def test_nothing_but_the_sdk_is_told_besides_the_question(wire: Wire) -> None:
    async with Loopback(wire.stream()) as server:
        await ask(wire.provider(server.url, KEY))

    headers = dict(server.requests[0].headers)
    told = {name: headers.pop(name, "") for name in ("user-agent", "x-goog-api-client", "x-goog-request-params")}
    assert {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "x-goog-api-key"} == (
        headers.keys()
    )
    assert ("identity", "application/json") == (headers["accept-encoding"], headers["content-type"])
    assert "convoscope" not in repr(told)


@over_both_sdks
async def test_an_answer_is_never_continued_behind_ones_back(wire: Wire) -> None:
    reply = replace(
        GOOGLE.stream(), steps=[event(response({"text": "a"}, finishReason="CONTINUATION", continuationToken="t"))]
    )
    async with Loopback(reply) as server:
        answer = await ask(wire.provider(server.url, KEY))

    assert ("a", "error", "CONTINUATION", 1) == (
        answer.text,
        answer.finish_reason,
        answer.raw_finish_reason,
        len(server.requests),
    )


@over_both_sdks
@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_what_fails_is_not_sent_again(wire: Wire, status: int) -> None:
    async with Loopback(error_reply(status, "UNKNOWN")) as server:
        await ask(wire.provider(server.url, KEY))

        assert 1 == len(server.requests)


@over_both_sdks
async def test_a_blocked_prompt_is_a_filtered_one(wire: Wire) -> None:
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "m"}
    async with Loopback(json_reply([blocked]) if wire is FORMER_GOOGLE else Reply(steps=[event(blocked)])) as server:
        answer = await ask(wire.provider(server.url, KEY))

    assert "content_filtered" == answer.error_kind


@pytest.mark.parametrize(
    "reply",
    [
        json_reply([response({"text": "Hel"}), response({"text": "lo"}, finishReason="STOP")]),
        json_reply(response({"text": "Hello"}, finishReason="STOP")),
    ],
    ids=["array", "object"],
)
@over_both_sdks
async def test_a_server_may_answer_in_another_shape_than_was_asked_for(wire: Wire, reply: Reply) -> None:
    async with Loopback(reply) as server:
        answer = await ask(wire.provider(server.url, KEY))

    assert ("Hello", "stop") == (answer.text, answer.finish_reason)


@over_both_sdks
async def test_the_loops_own_connections_stay_as_they_were(wire: Wire) -> None:
    client = await shared_client(direct=True)
    before = (dict(client.headers), client.timeout, client.follow_redirects, client.event_hooks)
    async with Loopback(wire.stream()) as server:
        await ask(wire.provider(server.url, KEY))

    assert client is await shared_client(direct=True)
    assert not client.is_closed
    assert before == (dict(client.headers), client.timeout, client.follow_redirects, client.event_hooks)


async def test_aiohttp_is_not_used_even_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_api_client, "has_aiohttp", True)  # using it would fail: it is not there
    async with Loopback(GOOGLE.stream(), GOOGLE.models_reply) as server:
        provider = Google(api_key=KEY, base_url=server.url)

        assert "Hello" == (await ask(provider)).text
        assert ("model-a", "model-b") == await provider.list_models("google")


# --- keys, and the rest of the environment --------------------------------------------------------------------------


async def test_without_a_key_google_is_not_asked() -> None:
    answer = await ask(Google())

    assert "missing_credentials" == answer.error_kind
    assert 'No key for Google. Set GEMINI_API_KEY, or cv.set_key("google"), and retry.' in str(answer.error)


async def test_a_key_counts_from_the_moment_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loopback(GOOGLE.stream()) as server:
        provider = Google(base_url=server.url)
        await ask(provider)
        monkeypatch.setenv("GOOGLE_API_KEY", KEY)
        await ask(provider)
        config.set_key("google", OTHER_KEY)
        await ask(provider)

    assert ["none", KEY, OTHER_KEY] == [request.headers["x-goog-api-key"] for request in server.requests]


@over_both_sdks
async def test_the_environment_changes_neither_where_a_question_goes_nor_what_is_sent(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    credentials = {"type": "authorized_user", "client_id": "i", "client_secret": "canary", "refresh_token": "canary"}
    (tmp_path / "credentials.json").write_text(json.dumps(credentials), encoding="utf-8")
    async with Loopback(wire.stream()) as thief, Loopback(wire.stream(), wire.models_reply) as server:
        for name, value in {
            "GOOGLE_GENAI_USE_VERTEXAI": "true",
            "GOOGLE_GENAI_USE_ENTERPRISE": "true",
            "GOOGLE_GENAI_API_VERSION": "v9",
            "GOOGLE_GENAI_CLIENT_MODE": "record",
            "GOOGLE_GENAI_REPLAYS_DIRECTORY": str(tmp_path / "replays"),
            "GOOGLE_GENAI_REPLAY_ID": "replay",
            "GOOGLE_GENAI_HTTP_CLIENT": "httpx2",
            "GOOGLE_CLOUD_PROJECT": "project-canary",
            "GOOGLE_CLOUD_LOCATION": "location-canary",
            "GOOGLE_CLOUD_QUOTA_PROJECT": "quota-canary",
            "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "canary.example",
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "credentials.json"),
            "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
            "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
            "GOOGLE_GEMINI_BASE_URL": thief.url,
            "GOOGLE_VERTEX_BASE_URL": thief.url,
            "GOOGLE_API_KEY": "google-canary",
            "GEMINI_API_KEY": "gemini-canary",
            "HTTP_PROXY": thief.url,
            "ALL_PROXY": thief.url,
        }.items():
            monkeypatch.setenv(name, value)
        provider = wire.provider(server.url, OTHER_KEY)
        answer = await ask(provider, replace(REQUEST, model="model"))
        await provider.list_models("google")

    assert [] == thief.requests
    assert ("Hello", None) == (answer.text, answer.error)
    assert [wire.path, wire.models_path] == [
        server.requests[0].path,
        server.requests[1].path.partition("?")[0],
    ]
    assert "canary" not in repr(server.requests)
    assert [OTHER_KEY] * 2 == [request.headers["x-goog-api-key"] for request in server.requests]
    assert not (tmp_path / "replays").exists()


async def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loopback(GOOGLE.stream()) as server:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        answer = await ask(Google(api_key=KEY))

    assert "Hello" == answer.text


async def test_a_rejected_key_tells_where_to_set_another() -> None:
    reply = GOOGLE.refusals["authentication"]
    async with Loopback(reply) as server:
        error = (await ask(Google(api_key=KEY, base_url=server.url))).error

    assert f"google:gemini-3.8-flash: 127.0.0.1:{server.port} rejected the key. " in str(error)
    assert str(error).endswith("Pass a valid api_key to cv.Google(), and retry.")


# --- addresses, status, and the choice of the SDK -------------------------------------------------------------------


def test_the_status_says_what_is_missing() -> None:
    assert ProviderStatus(
        name="google",
        ready=False,
        key_source=None,
        host=None,
        remedy='Set GEMINI_API_KEY, or cv.set_key("google"), and retry.',
    ) == Google().status("google")


def test_an_address_without_tls_elsewhere_is_refused_unless_allowed() -> None:
    with pytest.raises(InvalidSetting):
        Google(base_url="http://server.example")
    assert not Google(base_url="http://server.example", allow_http=True).is_local


@pytest.mark.parametrize("version", ["", "/v1", "/v1beta"])
def test_googles_own_address_is_known_with_any_version(version: str) -> None:
    status = Google(api_key=KEY, base_url=f"https://generativelanguage.googleapis.com{version}").status("google")

    assert (True, None) == (status.ready, status.host)


def test_only_the_sdk_that_is_used_is_imported() -> None:
    program = (
        "import sys; from convoscope_jupyter.providers import Google; Google().load();"
        "print(sorted({'google.genai', 'google.generativeai', 'openai', 'anthropic'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "['google.genai']" == out.stdout.strip()
    Google().load()
    assert "google.genai" in sys.modules


def test_an_unknown_sdk_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="must be 'google-genai' or 'google-generativeai'"):
        Google(sdk="grpc")  # type: ignore[arg-type]  # what it is about


@pytest.mark.parametrize("nothing_of_googles", [False, True])
def test_the_former_sdk_has_to_be_installed(monkeypatch: pytest.MonkeyPatch, *, nothing_of_googles: bool) -> None:
    def find_spec(name: str) -> None:
        if nothing_of_googles:
            raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(InvalidSetting) as caught:
        Google(sdk="google-generativeai")

    assert (
        'google-generativeai is not installed. pip install "convoscope-jupyter[google-generativeai]", or leave out '
        "sdk= to use google-genai."
    ) == str(caught.value)


def former_google(**options: Any) -> Google:  # noqa: ANN401 - as it takes them
    with pytest.warns(FutureWarning, match="ended all support of google-generativeai on 2025-11-30"):
        return Google(sdk="google-generativeai", **options)


@pytest.fixture
def seems_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


@pytest.mark.usefixtures("seems_installed")
def test_the_end_of_the_former_sdk_is_told_where_it_is_chosen_and_once() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(3):
            Google(sdk="google-generativeai")
        Google()

    assert [__file__] == [warning.filename for warning in told]


@pytest.mark.usefixtures("seems_installed")
async def test_the_former_sdk_speaks_one_version_only() -> None:
    provider = former_google(api_key=KEY, base_url="http://127.0.0.1:9/v1")
    error = (await ask(provider)).error

    assert isinstance(error, ConnectionFailed)
    assert "google-generativeai speaks v1beta, not v1. Change base_url, or leave out sdk=." == error.message
    assert former_google(api_key=KEY, base_url="http://127.0.0.1:9/v1beta").status("google").ready


@over_both_sdks
def test_nothing_is_left_open_when_the_loop_ends(wire: Wire, recwarn: pytest.WarningsRecorder) -> None:
    async def answer_and_abandon() -> None:
        async with Loopback(wire.stream(), wire.unfinished(HANG)) as server:
            provider = wire.provider(server.url, KEY)
            await ask(provider)
            await anext(provider.stream(REQUEST))

    asyncio.run(answer_and_abandon())
    gc.collect()

    assert [] == [str(warning.message) for warning in recwarn]
