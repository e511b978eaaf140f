"""A web server of somebody else's, as a process of its own on a free port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

_PATIENCE_S = 120


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class WebServer:
    """A running server.

    Args:
        command: What starts it; it has to listen on `port` of 127.0.0.1.
        port: The port.
        health: The path that answers once the server is up.
        log: The file for what it prints.
        environment: Variables besides this process's own.
    """

    def __init__(
        self, command: Sequence[str], *, port: int, health: str, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait_until_up(f"{self.url}{health}")

    def _wait_until_up(self, health: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(health, timeout=2):  # noqa: S310 - our own loopback server
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"{self._process.args!r} did not start:\n{Path(self._log.name).read_text(encoding='utf-8')}")

    def stop(self) -> None:
        """End the server, and with it what it started."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
