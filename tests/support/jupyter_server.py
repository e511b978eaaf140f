"""A real JupyterLab of its own: own folders, own port, nobody's settings."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from tests.tools.quiet_lab import quieten

_PATIENCE_S = 120


@dataclass
class JupyterServer:
    """A running server and its notebooks' folder.

    Args:
        folder: An empty folder for everything it keeps.
        environment: Variables for the server and its kernels.
        application: `lab` or `notebook`.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    application: str = "lab"

    def __post_init__(self) -> None:
        self.notebooks = self.folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        self.store = self.folder / "store.sqlite3"
        quieten(self.folder / "jupyter_config_dir")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        flag = {
            "lab": "--LabApp.expose_app_in_browser=True",
            "notebook": "--JupyterNotebookApp.expose_app_in_browser=True",
        }
        command = [
            *(sys.executable, "-m", f"jupyter{self.application}" if self.application == "lab" else "notebook"),
            *("--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
            *("--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.allow_root=True"),
            *(f"--ServerApp.root_dir={self.notebooks}", flag[self.application]),
            "--LabApp.news_url=" if self.application == "lab" else "--ServerApp.log_level=WARN",
        ]
        self._log = (self.folder / "server.log").open("wb")
        self._process = subprocess.Popen(command, env=self._environment(), stdout=self._log, stderr=subprocess.STDOUT)
        self._wait_until_up()

    def _environment(self) -> dict[str, str]:
        homes = {
            name: str(self.folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        }
        homes |= {
            "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "CONVOSCOPE_STORE": str(self.store),
        }
        return {**os.environ, **homes, **self.environment}

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/api/status", timeout=2):  # noqa: S310 - our own loopback server
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.stop()
        message = f"JupyterLab did not start:\n{(self.folder / 'server.log').read_text()}"
        raise RuntimeError(message)

    def write_notebook(self, name: str, *cells: str, kernel: str = "python3") -> str:
        """A notebook with these code cells; returns its name."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        )
        nbformat.write(notebook, self.notebooks / name)
        return name

    def stop(self) -> None:
        """End the server and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
