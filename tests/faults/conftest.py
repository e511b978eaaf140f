"""What every fault is met with: a world of its own, and SDKs that are loaded already."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from convoscope_jupyter import models
from convoscope_jupyter.providers import _logging
from tests.faults.table import WIRES
from tests.faults.world import World
from tests.support.loopback_thread import LoopbackThread


@pytest.fixture(scope="package")
def servers() -> Iterator[LoopbackThread]:
    thread = LoopbackThread()
    yield thread
    thread.close()


@pytest.fixture(scope="package", autouse=True)
def _loaded() -> Iterator[None]:
    """The first use of an SDK takes seconds, and clocks of a tenth of one are set here."""
    models.load()
    for wire in WIRES:
        wire.provider("http://127.0.0.1:9", None).load()
    gc.collect()
    gc.freeze()  # looking through all that was loaded would hold up a test for half a second now and then
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where the system offers that: waiting for the disk, four times a question, took half of the time."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own, and is the user's alone
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture
def world(folder: Path, servers: LoopbackThread) -> Iterator[World]:
    _logging.forget_keys()  # a kernel has a few, and looks for each of them in every line; here is one for each test
    world = World(folder, servers)
    yield world
    world.close()
