"""A store in a file of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convoscope_jupyter.store._sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(path))
    yield store
    store.close()


@pytest.fixture
def impatient_store(path: Path) -> Iterator[SqliteStore]:
    """One that gives up soon when the file is locked."""
    store = SqliteStore(str(path), busy_timeout_s=0.05)
    yield store
    store.close()
