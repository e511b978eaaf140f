"""Keeps stores safe when the kernel's process is forked (`os.fork`, `multiprocessing`).

A connection must not be used across a fork, not even closed (https://sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_),
and a child that was forked in the middle of a transaction would inherit SQLite's belief that it
holds the locks. So a fork waits until no store of the process is in a transaction, and the child
starts with no connection and no side files; it opens its own at first use.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What has to be told about forks."""

    def before_fork(self) -> None:
        """Come to rest, and stay so until one of the others is called."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...

    def after_fork_in_child(self) -> None:
        """Let go of what is the parent's."""
        ...


_lock = threading.Lock()  # held throughout a fork, so that the set below does not change
_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_resting: list[Forkable] = []


def watch(forkable: Forkable) -> None:
    """Tell an object about forks for as long as it lives."""
    with _lock:
        _watched.add(forkable)


def _before() -> None:
    _lock.acquire()
    _resting[:] = _watched
    for forkable in _resting:
        forkable.before_fork()


def _in_parent() -> None:
    for forkable in _resting:
        forkable.after_fork_in_parent()
    _resting.clear()
    _lock.release()


def _in_child() -> None:  # pragma: no cover - runs in the child of a fork, where nothing is measured
    for forkable in _resting:
        forkable.after_fork_in_child()
    _resting.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
