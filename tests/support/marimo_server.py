"""A real `marimo run` of its own: own folders, own port, nobody's settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.web_server import WebServer, free_port


class MarimoServer:
    """A running server of apps.

    Args:
        folder: An empty folder for everything it keeps.
        apps: The apps' sources by name. marimo looks at the folder once, so they are there from the start.
    """

    def __init__(self, folder: Path, apps: Mapping[str, str]) -> None:
        sources = folder / "apps"
        sources.mkdir(parents=True)
        for name, source in apps.items():
            (sources / f"{name}.py").write_text(source, encoding="utf-8")
        port = free_port()
        self._server = WebServer(
            [
                *(sys.executable, "-m", "marimo", "run", "--headless", "--no-token"),
                *("--host", "127.0.0.1", "--port", str(port), str(sources)),
            ],
            port=port,
            health="/health",
            log=folder / "server.log",
            environment={
                "CONVOSCOPE_STORE": str(folder / "store.sqlite3"),
                "XDG_CACHE_HOME": str(folder / "cache"),
                "XDG_CONFIG_HOME": str(folder / "config"),
                "XDG_STATE_HOME": str(folder / "state"),
            },
        )

    def url_of(self, app: str) -> str:
        """Where an app is opened."""
        return f"{self._server.url}/?file={app}.py"

    def stop(self) -> None:
        """End the server, whose kernels are threads of it."""
        self._server.stop()
