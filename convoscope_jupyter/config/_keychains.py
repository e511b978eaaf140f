"""Places that keep keys and may be slow to give them: the system keyring and Colab's secrets."""

from __future__ import annotations

import concurrent.futures
import importlib
import math
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from convoscope_jupyter.config._dotenv import unquoted
from convoscope_jupyter.redaction import Secret, safe_error_text

_SERVICE = "convoscope_jupyter"
_PATIENCE_S = 2.0
_COLAB_AGAIN_AFTER_S = 60.0

_lookups: dict[str, tuple[float, concurrent.futures.Future[Secret | None]]] = {}
_lock = threading.Lock()


class _Keyring(Protocol):
    # The three functions of https://keyring.readthedocs.io that are used. The package is an extra.
    def get_password(self, service_name: str, username: str, /) -> str | None: ...
    def set_password(self, service_name: str, username: str, password: str, /) -> None: ...
    def delete_password(self, service_name: str, username: str, /) -> None: ...


def from_keyring(provider: str) -> Secret | None:
    """The key that `keep` put into the system keyring; other providers' keys are not looked for."""
    if provider not in _kept():
        return None
    return _patiently(f"keyring {provider}", lambda: _password(provider))


def from_colab(name: str) -> Secret | None:
    """A secret of the user's Colab account; `None` elsewhere."""
    # Colab imports its package before any cell runs. Elsewhere `google` stays unimported: that is slow.
    if "google.colab" not in sys.modules:
        return None
    return _patiently(f"colab {name}", lambda: _userdata(name), again_after_s=_COLAB_AGAIN_AFTER_S)


def keep(provider: str, key: Secret) -> str | None:
    """Put a key into the system keyring.

    Args:
        provider: Name of the provider.
        key: Its key.

    Returns:
        `None`, or what went wrong and what to do, in a few words.
    """
    problem = _problem_of(lambda: _keyring().set_password(_SERVICE, provider, key.reveal()), key)
    # The "null" back end takes everything and keeps nothing.
    if problem is None and _or_none(lambda: _password(provider)) != key:
        problem = "it does not give the key back"
    return problem or _problem_of(lambda: _note(provider, kept=True))


def drop(provider: str) -> str | None:
    """Take a key that `keep` put there out of the system keyring.

    Args:
        provider: Name of the provider.

    Returns:
        `None`, also when there was none, or what went wrong and what to do, in a few words.
    """
    if provider not in _kept():
        return None
    problem = _problem_of(lambda: _keyring().delete_password(_SERVICE, provider))
    return problem or _problem_of(lambda: _note(provider, kept=False))


def _patiently(place: str, look: Callable[[], Secret | None], *, again_after_s: float = math.inf) -> Secret | None:
    """Look once, in a thread of its own, and wait for two seconds at most.

    A locked keyring opens a dialog and waits for it, for ever where nobody sees it
    (https://github.com/mitya57/secretstorage/issues/33). An answer that comes later is there for
    the next question.
    """
    with _lock:
        started_s, future = _lookups.get(place, (0.0, None))
        if future is not None:
            found = future.result() if future.done() else None
            if found or not future.done() or time.monotonic() - started_s < again_after_s:
                return found
        asked: concurrent.futures.Future[Secret | None] = concurrent.futures.Future()
        _lookups[place] = (time.monotonic(), asked)
    threading.Thread(target=lambda: asked.set_result(_or_none(look)), name=f"convoscope {place}", daemon=True).start()
    try:
        return asked.result(timeout=_PATIENCE_S)
    except TimeoutError:
        return None


def _or_none(look: Callable[[], Secret | None]) -> Secret | None:
    try:
        return look()
    except Exception:  # noqa: BLE001 - keyring's back ends and Colab raise what they like; then there is no key
        return None


def _problem_of(action: Callable[[], None], *secrets: Secret) -> str | None:
    try:
        action()
    except ImportError:
        return "the keyring package is missing: run %pip install keyring"
    except Exception as error:  # noqa: BLE001 - keyring's back ends raise what they like
        return safe_error_text(f"{type(error).__name__}: {error}", *secrets)
    return None


def _userdata(name: str) -> Secret | None:
    # https://github.com/googlecolab/colabtools/blob/main/google/colab/userdata.py
    return unquoted(str(importlib.import_module("google.colab.userdata").get(name)))


def _keyring() -> _Keyring:
    return cast("_Keyring", importlib.import_module("keyring"))


def _password(provider: str) -> Secret | None:
    return Secret(_keyring().get_password(_SERVICE, provider) or "") or None


def _kept_file() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - loaded on use: importing the package stays cheap

    return user_data_path("convoscope", appauthor=False) / "keys-in-keyring.txt"


def _kept() -> set[str]:
    """The providers whose keys are in the keyring; names only.

    Without this note every kernel of everyone who has `keyring` installed would ask it, and open dialogs.
    """
    try:
        return set(_kept_file().read_text("utf-8").split())
    except (OSError, UnicodeDecodeError):
        return set()


def _note(provider: str, *, kept: bool) -> None:
    names = _kept() - {provider}
    if kept:
        names.add(provider)
    file = _kept_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text("\n".join(sorted(names)), "utf-8")
    _lookups.pop(f"keyring {provider}", None)
