"""The server, the peers' processes, and the rounds they are asked in."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from tests.benchmarks.environments import FOLDER, OWN, ROOT, python_of, why_missing
from tests.benchmarks.peers import Target

T = TypeVar("T")

ENVIRONMENT_OF = {
    "litellm": "litellm",
    "pydantic-ai": "pydantic-ai",
    "chatlas": "chatlas",
    "langchain": "langchain",
    "aisuite": "aisuite",
}
"""Where a peer lives, by the first word of its name; the others live in the package's own environment."""

LOG = "errors.txt"

PATIENCE_S = 120.0
"""A worker that says nothing for so long is ended, and the table says so."""


class PeerFailed(Exception):
    """A peer could not do what it was told; the words are for the table."""


def environment_of(name: str) -> str:
    """The environment of a peer, by its name in the tables."""
    return ENVIRONMENT_OF.get(name.split(":", maxsplit=1)[0], OWN)


def installed_python(name: str) -> Path:
    """The interpreter of a peer.

    Raises:
        PeerFailed: The peer is not installed.
    """
    environment = environment_of(name)
    reason = why_missing(environment)
    if reason is not None:
        raise PeerFailed(reason)
    return python_of(environment)


def clean_environment(home: Path) -> dict[str, str]:
    """Nothing of the person's who runs the benchmark: no keys, no proxies, no settings, a home of its own."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "CONVOSCOPE_STORE": str(home / "conversations.sqlite3"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it fetches a list from the network otherwise
        "LANGSMITH_TRACING": "false",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
    }


class Process:
    """A Python process that is talked to in lines.

    Args:
        python: The interpreter.
        arguments: Module and its arguments.
        home: Its home folder.
    """

    def __init__(self, python: Path, arguments: Iterable[str], home: Path) -> None:
        environment = clean_environment(home)
        with (home / LOG).open("ab") as errors:
            self._process = subprocess.Popen(
                [str(python), "-m", *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def tell(self, line: str) -> None:
        """Send one line."""
        stdin = self._pipe(self._process.stdin)
        try:
            stdin.write(line + "\n")
            stdin.flush()
        except BrokenPipeError:
            raise PeerFailed("its process has ended") from None

    def hear(self, patience_s: float = PATIENCE_S) -> str:
        """Wait for one line.

        Raises:
            PeerFailed: There is none.
        """
        stdout = self._pipe(self._process.stdout)
        ready, _, _ = select.select([stdout], [], [], patience_s)
        if not ready:
            self._process.kill()
            raise PeerFailed(f"no word for {patience_s:g} s")
        line = stdout.readline()
        if not line:
            raise PeerFailed("its process has ended")
        return line

    def close(self) -> None:
        """End it."""
        self._pipe(self._process.stdin).close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe(self._process.stdout).close()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


class Bench:
    """Everything a table needs: the server's address, and workers by peer.

    Args:
        quick: Fewer rounds, smaller numbers.
        python: One interpreter for all; `None`: each peer its own environment's.
        home: Home folder of all processes, where their errors are written to as well.
    """

    def __init__(self, *, quick: bool, python: Path | None = None, home: Path = FOLDER / "home") -> None:
        self.quick = quick
        self.home = home
        self._python = python
        self._workers: dict[str, Process] = {}
        self._tags = 0

    def __enter__(self) -> Self:
        (self.home / LOG).unlink(missing_ok=True)
        self._server = Process(self._python or python_of(OWN), ["tests.benchmarks.server"], self.home)
        self.address = f"http://127.0.0.1:{int(self._server.hear())}"
        self._nobody = socket.socket()
        self._nobody.bind(("127.0.0.1", 0))  # held, and not listened to: whoever connects is refused
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._workers):
            self.dismiss(name)
        self._server.close()
        self._nobody.close()

    def url(self, mode: str, tag: str = "any") -> str:
        """An address of the server at which `mode` happens."""
        if mode == "refused":
            return f"http://127.0.0.1:{self._nobody.getsockname()[1]}/{tag}"
        return f"{self.address}/{mode}/{tag}"

    def new_tag(self) -> str:
        """A tag nobody has used: an address of its own, without a past."""
        self._tags += 1
        return f"t{self._tags}"

    def hits(self, mode: str, tag: str) -> int:
        """How many requests came for this mode and tag."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{self.address}/hits") as answer:
            counted: dict[str, int] = json.load(answer)
        return counted.get(f"{mode}/{tag}", 0)

    def tell(self, name: str, target: Target, **command: object) -> None:
        """Give a peer a command and go on; `hear` waits for its answer."""
        if name not in self._workers:
            python = self._python or installed_python(name)
            self._workers[name] = Process(python, ["tests.benchmarks.worker", name], self.home)
        self._workers[name].tell(json.dumps({"target": asdict(target), **command}))

    def hear(self, name: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The answer to the last command.

        Raises:
            PeerFailed: There is none, or it is that this cannot be done.
        """
        try:
            answer: dict[str, Any] = json.loads(self._workers[name].hear(patience_s))
        except PeerFailed:
            self.dismiss(name)
            raise
        if "broken" in answer:
            raise PeerFailed(answer["broken"])
        return answer

    def ask(self, name: str, target: Target, **command: object) -> dict[str, Any]:
        """Give a peer a command and wait for its answer.

        Raises:
            PeerFailed: As `hear`.
        """
        self.tell(name, target, **command)
        return self.hear(name)

    def dismiss(self, name: str) -> None:
        """End a peer's process; the next command starts it anew."""
        worker = self._workers.pop(name, None)
        if worker is not None:
            worker.close()

    def ask_together(self, names: Iterable[str], once: Callable[[str], T]) -> dict[str, T | PeerFailed]:
        """Ask several peers at the same time: for what takes seconds of waiting and no work.

        Args:
            names: The peers.
            once: Asks one of them.
        """

        def guarded(name: str) -> T | PeerFailed:
            try:
                return once(name)
            except PeerFailed as error:
                return error

        names = list(names)
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(guarded, names), strict=True))


Results = dict[str, list[dict[str, float]]]
"""Of each peer, one set of figures for each round."""


def interleave(
    names: Iterable[str], rounds: int, once: Callable[[str], Mapping[str, float]], *, warm_up: bool = True
) -> tuple[Results, dict[str, str]]:
    """Ask the peers in turn, round after round, so that a noisy moment hits them all.

    Args:
        names: The peers.
        rounds: How often.
        once: Asks one peer; its figures.
        warm_up: One round before, which does not count.

    Returns:
        The figures by peer, and why peers have none.
    """
    results: Results = {name: [] for name in names}
    failed: dict[str, str] = {}
    for n in range(-1 if warm_up else 0, rounds):
        # Each round starts with another peer: nobody always follows the same one.
        order = list(results)
        cut = max(n, 0) % len(order)
        for name in [*order[cut:], *order[:cut]]:
            if name in failed:
                continue
            try:
                figures = dict(once(name))
            except PeerFailed as error:
                failed[name] = str(error)
                progress("!")
            else:
                progress(".")
                if n >= 0:
                    results[name].append(figures)
    progress("\n")
    return {name: figures for name, figures in results.items() if name not in failed}, failed


def progress(mark: str) -> None:
    """Show on the terminal that something goes on."""
    sys.stderr.write(mark)
    sys.stderr.flush()
