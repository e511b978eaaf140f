"""The HTTP connections of an event loop, reused from one request to the next and closed with the loop."""

from __future__ import annotations

import asyncio
import http.cookiejar
import os
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

from convoscope_jupyter.redaction import Secret

if TYPE_CHECKING:
    import httpx2

_KEEP_ALIVE_S = 30.0
"""How long an idle connection is kept for the next question. Shorter than what proxies on the way grant one."""

_Owner: TypeAlias = "AsyncGenerator[httpx2.AsyncClient]"

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, tuple[httpx2.AsyncClient, _Owner]]] = (
    WeakKeyDictionary()
)


_Made = TypeVar("_Made")

_sdk_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[Hashable, object]]] = WeakKeyDictionary()


def sdk_client(sdk: str, made_from: Hashable, make: Callable[[], _Made]) -> _Made:
    """The running loop's client of an SDK. Making one costs a part of what a whole short answer does.

    Args:
        sdk: Which one. One client of each is kept.
        made_from: All that the client is made from, what the SDK looks up in the environment included: when it
            changes, another client is made, and the former one, with its key, is let go.
        make: Makes it.
    """
    mine = _sdk_clients.setdefault(asyncio.get_running_loop(), {})
    before, client = mine.get(sdk, (None, None))
    if client is None or before != made_from:
        client = make()
        mine[sdk] = made_from, client
    return cast("_Made", client)


async def shared_client(*, direct: bool) -> httpx2.AsyncClient:
    """The running loop's HTTP client. It holds connections, and neither keys nor cookies.

    Args:
        direct: Pass by the proxies that the environment names: for servers on this machine.

    Returns:
        A client that follows no redirect: it would carry the question, and on the same host the key, to where nobody
        chose to send them (CVE-2023-49785).
    """
    mine = _clients.setdefault(asyncio.get_running_loop(), {})
    if direct not in mine:
        client = await asyncio.to_thread(_make, direct=direct)  # reads the certificates: 30 ms
        if direct not in mine:  # nobody was faster
            owner = _own(client)
            mine[direct] = (await anext(owner), owner)
    return mine[direct][0]


async def _own(client: httpx2.AsyncClient) -> _Owner:
    """Closes the client when the loop ends its generators, so that no socket outlives its loop and nobody has to ask.

    See https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens
    """
    try:
        yield client
    finally:
        _clients.pop(asyncio.get_running_loop(), None)
        await client.aclose()


def environment(name: str) -> Secret:
    """What an environment variable says, for `made_from`: headers there may hold keys.

    Args:
        name: Of the variable.
    """
    return Secret(os.environ.get(name, ""))


def _make(*, direct: bool) -> httpx2.AsyncClient:
    # They come with the SDK, and as late.
    import httpx2  # noqa: PLC0415

    from convoscope_jupyter.providers._bounded import bound_error  # noqa: PLC0415

    return httpx2.AsyncClient(
        follow_redirects=False,
        trust_env=not direct,
        # Compressed, a stream is held back until there is enough of it, and a small answer can unpack into a huge one.
        headers={"Accept-Encoding": "identity"},
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=_KEEP_ALIVE_S),
        event_hooks={"response": [bound_error]},
        cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=())),
    )
