"""The table of the contract's tests: one row per adapter and wire format, see `wires.py`."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import pytest

from convoscope_jupyter.providers import ChatRequest, Provider
from tests.support.anthropic_wire import ANTHROPIC
from tests.support.gemini_wire import FORMER_GOOGLE, GOOGLE
from tests.support.loopback import Loopback
from tests.support.openai_wire import OPENAI_CHAT, OPENAI_RESPONSES
from tests.support.reading import Read, read
from tests.support.wires import KEY, REQUEST, Wire

WIRES: Sequence[Wire] = (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GOOGLE, FORMER_GOOGLE)


def skipped_without(module: str | None) -> list[pytest.MarkDecorator]:
    """Marks for tests that need a module."""
    try:
        found = module is None or importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # nor is the package it would be in
        found = False
    return [] if found else [pytest.mark.skip(reason=f"{module} is not installed")]


def over(*wires: Wire) -> pytest.MarkDecorator:
    """Runs a test once for each of the wires."""
    rows = [pytest.param(wire, id=wire.name, marks=skipped_without(wire.needs)) for wire in wires]
    return pytest.mark.parametrize("wire", rows)


every_wire = over(*WIRES)


def provider_of(wire: Wire, server: Loopback) -> Provider:
    """The adapter, for a server that is running."""
    return wire.provider(server.url, KEY)


async def ask(wire: Wire, server: Loopback, request: ChatRequest = REQUEST) -> Read:
    """Ask and read the answer."""
    return await read(provider_of(wire, server).stream(request))
