"""The HTTP connections of an event loop, reused from one request to the next and closed with the loop."""

from __future__ import annotations

import asyncio
import http.cookiejar
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import httpx2

_KEEP_ALIVE_S = 30.0
"""How long an idle connection is kept for the next question. Shorter than what proxies on the way grant one."""

_Owner: TypeAlias = "AsyncGenerator[httpx2.AsyncClient]"

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, tuple[httpx2.AsyncClient, _Owner]]] = (
    WeakKeyDictionary()
)


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
