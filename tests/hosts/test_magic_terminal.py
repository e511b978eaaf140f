"""`%%convo` where answers are printed: the terminal's IPython, fed line by line, and a plain script."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [
    *(sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor"),
    "--HistoryManager.enabled=False",
]


@pytest.fixture(autouse=True)
def _own_ipython_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


def type_in(*cells: str) -> str:
    """Type cells, each with the two blank lines that end a cell magic; returns all that was shown."""
    typed = "".join(f"{cell}\n\n\n" for cell in ("%load_ext convoscope_jupyter", *cells))
    done = subprocess.run(
        COMMAND, input=typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=100
    )
    return done.stdout


def test_it_is_a_terminal_shell_without_a_running_loop() -> None:
    shown = type_in("import asyncio; print(type(get_ipython()).__name__, asyncio._get_running_loop())")

    assert "TerminalInteractiveShell None" in shown


def test_the_answer_is_printed_with_its_receipt_and_nothing_else() -> None:
    shown = type_in("%%convo demo:fail-429, demo:echo --out turn\nHello, World", "print([turn.text], len(Out))")

    assert re.search(
        r"Hello, World\n\ndemo:echo answered in under 0\.1 s, after demo:fail-429 was rate limited\.\n", shown
    )
    assert "['Hello, World'] 0" in shown
    assert 1 == shown.count("Hello, World\n")


def test_hostile_text_moves_no_cursor_and_sets_no_clipboard() -> None:
    shown = type_in("%%convo demo:echo\nA \x1b]52;c;ZXZpbA==\x07 B \x9b2J C")

    assert "A ␛]52;c;ZXZpbA==␇ B ⟨U+009B⟩2J C" in shown
    assert {"\n"} == {sign for sign in shown if not sign.isprintable()}


def test_failures_are_short_and_the_shell_goes_on() -> None:
    shown = type_in("%%convo demo:fail-401\nHi", "%%convo demo:drop-midway\nHi", "%%convo --systm x\nHi", "print('on')")

    assert "RouteExhausted: No model answered: demo:fail-401 rejected the key." in shown
    assert "demo:drop-midway broke off after " in shown
    assert "AnswerInterrupted: the answer broke off after " in shown
    assert "UsageError: there is no option '--systm'. Did you mean --system?" in shown
    assert "Traceback" not in shown
    assert "on\n" in shown


def test_it_works_in_a_plain_script_and_in_its_async_code() -> None:
    script = (
        "import asyncio\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_line_magic('load_ext', 'convoscope_jupyter')\n"
        "shell.run_cell_magic('convo', 'demo:echo', 'One')\n"
        "async def ask(): shell.run_cell_magic('convo', 'demo:echo', 'Two')\n"
        "asyncio.run(ask())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)

    assert ["One", "Two"] == [line for line in done.stdout.splitlines() if line and "answered in" not in line]


def test_convo_says_how_things_stand() -> None:
    assert re.search(r"demo +ready +offline: not a model, nothing leaves this machine\n", type_in("%convo"))


@pytest.mark.skipif(sys.platform == "win32", reason="there, an interrupt is sent to a group of processes")
def test_ctrl_c_stops_the_answer_and_keeps_what_came() -> None:
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ}
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(b"%load_ext convoscope_jupyter\n\n%%convo demo:slow --out turn\nHi\n\n\n")
        shell.stdin.flush()
        shown = b""
        while b"This is the demo" not in shown:
            piece = os.read(shell.stdout.fileno(), 1000)
            assert piece, shown
            shown += piece
        shell.send_signal(signal.SIGINT)
        rest, _ = shell.communicate(b"print([turn.response.status])\n\n", timeout=60)
    text = (shown + rest).decode()

    assert re.search(r"\n\ndemo:slow was stopped after \d+\.\d s\.\n", text)
    assert "KeyboardInterrupt: the answer was stopped. What came of it is kept." in text
    assert "['cancelled']" in text
