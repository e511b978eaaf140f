"""The loop thread: one per process, interruptible waits, a new one after fork."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import subprocess
import sys
import threading

import pytest

from convoscope_jupyter import _loop


async def thread_id() -> int:
    return threading.get_ident()


def test_work_runs_on_one_thread_that_is_not_the_callers() -> None:
    first, second = _loop.run(thread_id()), _loop.run(thread_id())

    assert first == second
    assert threading.get_ident() != first


def test_what_a_coroutine_raises_reaches_the_caller() -> None:
    async def fail() -> None:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        _loop.run(fail())


def test_a_cancelled_coroutine_is_told_as_cancelled() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(concurrent.futures.CancelledError):
        _loop.run(give_up())


def test_waiting_for_the_loop_on_the_loop_is_refused() -> None:
    async def wait_for_itself() -> None:
        _loop.run(thread_id())

    with pytest.raises(RuntimeError, match="wait for itself"):
        _loop.run(wait_for_itself())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_gets_a_loop_of_its_own() -> None:
    script = (
        "import os, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "import convoscope_jupyter as cv\n"
        "session = cv.Session('demo:echo', store=':memory:')\n"
        "assert session.ask('one').text == 'one'\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    ok = session.ask('two').text == 'two'\n"
        "    os._exit(0 if ok else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)

    assert (0, "") == (done.returncode, done.stderr)
