"""One asyncio loop on one daemon thread per kernel; all network work runs there.

A task on the kernel's own loop stands still while a cell runs, so streaming, Stop and the chat
would too. The loop is made on first use, made anew in a forked child, and closed at exit.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

POLL_S = 0.1
"""Longest uninterrupted wait on a caller's thread, so that a kernel interrupt is seen."""
_CLOSING_S = 2.0


class _LoopThread:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.closing = False
        self.thread = threading.Thread(target=self._run, name="convoscope", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()


_lock = threading.Lock()
_current: _LoopThread | None = None


def _get() -> _LoopThread:
    global _current  # noqa: PLW0603 - one loop per process is the point of this module
    with _lock:
        if _current is None or _current.pid != os.getpid() or not _current.thread.is_alive():
            _current = _LoopThread()
        return _current


def is_loop_thread() -> bool:
    """Whether the caller runs on the loop's thread, where waiting for the loop would never end."""
    return _current is not None and threading.current_thread() is _current.thread


def is_closing() -> bool:
    """Whether the interpreter is going away."""
    return _current is not None and _current.closing


def call_soon(callback: Callable[..., object], *args: object) -> None:
    """Run a plain function on the loop's thread, soon.

    Args:
        callback: The function; it must not block.
        args: Its arguments.
    """
    _get().loop.call_soon_threadsafe(callback, *args)


def submit(coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Run a coroutine on the loop.

    Args:
        coroutine: What to run.

    Returns:
        A future to wait for on any other thread.
    """
    current = _get()
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def start() -> None:
        task = current.loop.create_task(coroutine)
        current.tasks.add(task)  # the loop itself keeps only a weak reference to a task
        task.add_done_callback(finish)

    def finish(task: asyncio.Task[T]) -> None:
        current.tasks.discard(task)
        if task.cancelled():
            outcome.set_exception(concurrent.futures.CancelledError())
        elif error := task.exception():
            outcome.set_exception(error)
        else:
            outcome.set_result(task.result())

    current.loop.call_soon_threadsafe(start)
    return outcome


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop and wait for it on the caller's thread.

    Args:
        coroutine: What to run.

    Returns:
        What it returns.

    Raises:
        RuntimeError: Called on the loop's own thread.
    """
    if is_loop_thread():
        coroutine.close()
        message = "this would wait for itself: call the async form from here, such as ask_async"
        raise RuntimeError(message)
    outcome = submit(coroutine)
    while True:
        done, _ = concurrent.futures.wait([outcome], timeout=POLL_S)
        if done:
            return outcome.result()


@atexit.register
def close() -> None:
    """End all running work, so that each answer under way is stored, and close the loop."""
    global _current  # noqa: PLW0603 - see above
    with _lock:
        current, _current_pid = _current, os.getpid()
        if current is None or current.pid != _current_pid or not current.thread.is_alive():
            return
        current.closing = True

    async def end_all() -> None:
        tasks = [task for task in current.tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSING_S)
        current.loop.stop()

    with contextlib.suppress(RuntimeError):  # the loop was stopped by someone else: nothing is left to end
        asyncio.run_coroutine_threadsafe(end_all(), current.loop)
        current.thread.join(_CLOSING_S + 1.0)
    with _lock:
        _current = None
