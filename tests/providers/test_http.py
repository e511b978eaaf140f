"""The HTTP connections of an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from convoscope_jupyter.providers._http import environment, sdk_client, shared_client
from convoscope_jupyter.redaction import Secret
from tests.support.loopback import Loopback, Reply, json_reply

if TYPE_CHECKING:
    import pytest


async def test_a_loop_has_one_client_of_each_kind() -> None:
    direct, another, proxied = await asyncio.gather(
        shared_client(direct=True), shared_client(direct=True), shared_client(direct=False)
    )

    assert direct is another
    assert direct is not proxied
    assert direct is await shared_client(direct=True)


def test_connections_are_closed_with_their_loop() -> None:
    async def ask() -> object:
        async with Loopback(json_reply({})) as server:
            client = await shared_client(direct=True)
            await client.get(server.url)
            return client

    client = asyncio.run(ask())

    assert client.is_closed  # type: ignore[attr-defined]  # an httpx2.AsyncClient
    assert client is not asyncio.run(ask())


async def test_connections_are_reused() -> None:
    async with Loopback(json_reply({})) as server:
        client = await shared_client(direct=True)
        for _ in range(3):
            await client.get(server.url)

        assert 1 == server.connections


async def test_no_cookie_is_kept() -> None:
    async with Loopback(json_reply({}, headers={"Set-Cookie": "id=1; Path=/"})) as server:
        client = await shared_client(direct=True)
        for _ in range(2):
            await client.get(server.url)

        assert "cookie" not in server.requests[1].headers


async def test_no_redirect_is_followed() -> None:
    async with Loopback(Reply(status=302, headers={"Location": "/elsewhere"})) as server:
        answer = await (await shared_client(direct=True)).get(server.url)

        assert (302, 1) == (answer.status_code, len(server.requests))


async def test_only_what_is_not_on_this_machine_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loopback(json_reply({"proxy": True})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with Loopback(json_reply({"proxy": False})) as server:
            direct = await (await shared_client(direct=True)).get(server.url)
            proxied = await (await shared_client(direct=False)).get("http://server.example/")

    assert (False, True) == (direct.json()["proxy"], proxied.json()["proxy"])


async def test_an_sdks_client_is_made_once_and_anew_when_anything_it_is_made_from_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def client(key: str) -> object:
        return sdk_client("sdk", (Secret(key), environment("SDK_HEADERS")), object)

    first = client("key-1")
    again = client("key-1")
    other_key = client("key-2")
    monkeypatch.setenv("SDK_HEADERS", "a: b")
    other_headers = client("key-2")

    assert first is again
    assert 3 == len({first, other_key, other_headers})


def test_each_loop_has_its_own_client_of_an_sdk() -> None:
    async def client() -> object:
        return sdk_client("sdk", None, object)

    assert asyncio.run(client()) is not asyncio.run(client())
