"""What holds for every test: no settings and keys of the person who runs it, and no network but this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from convoscope_jupyter import _breaker, config
from convoscope_jupyter.config import _dotenv, _keychains
from convoscope_jupyter.providers import _logging

_NAMES = {*_dotenv._TAKEN, "CONVOSCOPE_STORE"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser tests last.

    Playwright's synchronous API keeps an event loop running in the main thread until its browser is closed, and no
    asyncio test can start a loop of its own meanwhile.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(autouse=True, scope="session")
def _nobodys_environment() -> Iterator[None]:
    # For the whole session: servers that outlive a test hand their environment on to kernels.
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name in _NAMES or name.startswith(("DEFAULT_", "MAX_")):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setenv("CONVOSCOPE_STORE", str(folder / "default-store.sqlite3"))
    monkeypatch.setattr(_keychains, "_kept_file", lambda: folder / "keys-in-keyring.txt")
    # Child processes find the package from there too, installed or not.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent), prepend=os.pathsep)
    (folder / "working-directory").mkdir()
    monkeypatch.chdir(folder / "working-directory")
    yield
    config._held.clear()
    _keychains._lookups.clear()
    _breaker.shared.reset()
    _logging.forget_keys()


class NetworkRefused(RuntimeError):
    """A test tried to leave this machine."""


def _is_here(host: object) -> bool:
    if host in {"localhost", "", None}:
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _nothing_leaves_this_machine() -> Iterator[None]:
    def guarded(real: Callable[..., object]) -> Callable[..., object]:
        def connect(self: socket.socket, address: Sequence[object]) -> object:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
                raise NetworkRefused(f"a test tried to connect to {address[0]}")
            return real(self, address)

        return connect

    def getaddrinfo(host: str | bytes | None, *args: object, **options: object) -> object:
        name = host.decode() if isinstance(host, bytes) else host
        if not _is_here(name):
            # As it fails without a network, so that what a name does that nobody knows can be tested.
            raise socket.gaierror(socket.EAI_NONAME, f"tests look up no names, not even {name}")
        return look_up(host, *args, **options)

    look_up: Callable[..., object] = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield
