"""The transport that sends an SDK's one request."""

from __future__ import annotations

import httpx2
import pytest

from convoscope_jupyter.providers._http import shared_client
from convoscope_jupyter.providers._relay import Relay
from tests.support.loopback import Loopback, json_reply


async def test_an_sdk_that_asks_twice_is_refused_the_second_time() -> None:
    async with Loopback(json_reply({})) as server:
        relay = Relay(await shared_client(direct=True), connect_timeout_s=5.0, read_timeout_s=5.0)
        request = httpx2.Request("GET", server.url)
        await relay.handle_async_request(request)

        with pytest.raises(RuntimeError, match="second request"):
            await relay.handle_async_request(request)
        await relay.answers[0].aclose()

        assert 1 == len(server.requests)
