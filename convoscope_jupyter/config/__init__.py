"""Settings and keys: `cv.set_key`, environment, `.env`, system keyring, Colab's secrets, defaults.

Everything is read when it is asked for, so a change counts at once, without a restart. What was read
leaves as a frozen value, a key only ever as a `Secret`. No frame that raises holds a key's text,
because IPython's verbose tracebacks print local variables:
https://ipython.readthedocs.io/en/stable/interactive/magics.html#magic-xmode
"""

from __future__ import annotations

import getpass
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar, cast, get_args

from convoscope_jupyter.config import _keychains
from convoscope_jupyter.config._dotenv import (
    BASE_URL_NAMES,
    KEY_NAMES,
    PLACE as DOTENV,
    dotenv,
    environment,
    is_loopback,
)
from convoscope_jupyter.errors import InvalidSetting
from convoscope_jupyter.redaction import Secret, redact

__all__ = [
    "Credential",
    "Mode",
    "Settings",
    "base_url",
    "credential",
    "forget_key",
    "is_loopback",
    "load_settings",
    "set_key",
]

Mode = Literal["live", "record", "replay"]

_KEY = re.compile(r"[!-~]+")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]*")
_N = TypeVar("_N", int, float)

_held: dict[str, Secret] = {}


@dataclass(frozen=True, slots=True)
class Credential:
    """A provider's key, if there is one, and where it comes from. Shows no more than the key's mask.

    Args:
        key: The key, or `None`.
        source: For people, such as `OPENAI_API_KEY`, `./.env` or `cv.set_key`.
    """

    key: Secret | None
    source: str | None


def credential(provider: str) -> Credential:
    """Find the key of a provider.

    The first of these that has one counts: `cv.set_key` in this kernel, the environment, `.env`, the
    system keyring (only for a provider whose key `set_key(…, keep=True)` put there), Colab's secrets.

    Args:
        provider: Name of the provider. Any but `openai`, `anthropic` and `google` has a key only
            from `set_key`.

    Returns:
        The key and its source; both `None` when there is no key.

    Raises:
        InvalidSetting: What is set cannot be a key. The message does not show it.

    Example:
        >>> credential("ollama")
        Credential(key=None, source=None)
    """
    name = provider.strip().lower()
    if name in _held:
        return Credential(_held[name], "cv.set_key")
    variables = KEY_NAMES.get(name, ())
    for variable in variables:
        if key := environment(variable):
            return Credential(_checked(key, variable), variable)
    for variable in variables:
        if key := dotenv().values.get(variable):
            return Credential(_checked(key, f"{variable} in {DOTENV}"), DOTENV)
    if key := _keychains.from_keyring(name):
        return Credential(_checked(key, f"the key for {name} in the system keyring"), "system keyring")
    for variable in variables:
        if key := _keychains.from_colab(variable):
            return Credential(_checked(key, f"{variable} in Colab's secrets"), "Colab secrets")
    return Credential(None, None)


def set_key(provider: str, key: str | Secret | None = None, *, keep: bool = False) -> None:
    """Give a provider's key to this kernel. It counts from the next question on.

    Args:
        provider: Name of the provider, such as `openai`.
        key: The key. Left out, it is asked for and not shown, so that it stands in no notebook.
        keep: Also put it into the system keyring, where later kernels find it.

    Raises:
        InvalidSetting: There is no such key, nobody to ask, or no keyring. Without a new key the former one stays.

    Example:
        >>> set_key("openai", "sk-abcdefghijklmnop")
    """
    secret = None if key is None else key if isinstance(key, Secret) else Secret(key)
    del key
    name = _provider_name(provider)
    if secret is None:
        secret = _asked(name)
    if not secret:
        raise InvalidSetting(
            f"no key was given for {name}; what was set before stays. Call cv.set_key({name!r}) again."
        )
    _held[name] = _checked(secret, f"the key for {name}")
    if keep and (problem := _keychains.keep(name, secret)):
        raise InvalidSetting(f"the key for {name} counts in this kernel, but was not kept: {problem}.")


def forget_key(provider: str) -> None:
    """Drop the key that `set_key` gave to this kernel, and to the system keyring.

    Args:
        provider: Name of the provider. One without a key is fine.

    Raises:
        InvalidSetting: The keyring does not give it up.

    Example:
        >>> forget_key("openai")
    """
    name = _provider_name(provider)
    _held.pop(name, None)
    if problem := _keychains.drop(name):
        raise InvalidSetting(f"the key for {name} is still in the system keyring: {problem}. Delete it there.")


def _provider_name(provider: str) -> str:
    name = provider.strip().lower()
    if redact(provider) != provider:
        raise InvalidSetting("the first argument is the provider's name, not the key. Write cv.set_key('openai').")
    for known, variables in KEY_NAMES.items():
        if provider.strip() in variables:
            return known
    if _PROVIDER.fullmatch(name) is None:
        raise InvalidSetting(f"{provider!r} is not a provider's name. Write cv.set_key('openai').")
    return name


def _checked(key: Secret, place: str) -> Secret:
    if _KEY.fullmatch(key.reveal()) is None:
        raise InvalidSetting(
            f"{place} holds white space or signs that no key has. Copy the key again, on its own and in one line."
        )
    return key


def _asked(name: str) -> Secret:
    try:
        with warnings.catch_warnings():
            # Without a terminal, getpass warns and then shows what is typed.
            warnings.simplefilter("error", getpass.GetPassWarning)
            # Looked up in the module each time: ipykernel puts its own function there.
            return Secret(getpass.getpass(f"Key for {name} (it is not shown): "))
    except (EOFError, NotImplementedError, getpass.GetPassWarning):
        pass
    remedy = f"Set {KEY_NAMES[name][0]} in the environment or in .env" if name in KEY_NAMES else "Pass it as `key`"
    raise InvalidSetting(f"there is nobody here to ask for the key for {name}. {remedy}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment and `.env` say about a session. `None`: nothing."""

    route: str | None = None
    """`CONVOSCOPE_ROUTE`, as it is written there."""
    default_provider: str | None = None
    """`DEFAULT_LLM_PROVIDER`, in lower case."""
    temperature: float | None = None
    """`DEFAULT_TEMPERATURE`, from 0 to 2."""
    max_history_turns: int | None = None
    """`MAX_CONVERSATION_HISTORY`: how many earlier turns go with a question, at least 1."""
    mode: Mode = "live"
    """`CONVOSCOPE_MODE`."""
    cassette: str | None = None
    """`CONVOSCOPE_CASSETTE`: the file that `record` writes and `replay` reads."""
    note: str | None = None
    """Why `.env`, or a part of it, does not count."""


def load_settings() -> Settings:
    """Read the settings as they are now: the environment first, then `.env`.

    Returns:
        The settings. No key is among them.

    Raises:
        InvalidSetting: A value cannot be used. The message names the variable, the value and what it may be.

    Example:
        >>> load_settings().mode
        'live'
    """
    mode = (_setting("CONVOSCOPE_MODE") or "live").lower()
    if mode not in get_args(Mode):
        raise _refused("CONVOSCOPE_MODE", "live, record or replay")
    provider = _setting("DEFAULT_LLM_PROVIDER")
    highest = 2  # as at every provider
    return Settings(
        route=_setting("CONVOSCOPE_ROUTE"),
        default_provider=provider.lower() if provider else None,
        temperature=_number("DEFAULT_TEMPERATURE", float, lambda n: 0 <= n <= highest, "a number from 0 to 2"),
        max_history_turns=_number("MAX_CONVERSATION_HISTORY", int, lambda n: n >= 1, "a whole number of at least 1"),
        mode=cast("Mode", mode),
        cassette=_setting("CONVOSCOPE_CASSETTE"),
        note=dotenv().note,
    )


def base_url(provider: str) -> str | None:
    """The address that the environment gives a provider, such as `OPENAI_BASE_URL`.

    In `.env` it counts only when it is on this machine: a folder that was downloaded must not be able
    to send questions and keys to a stranger's server.

    Args:
        provider: Name of the provider.

    Returns:
        The address as it is written, or `None` for the provider's own.

    Example:
        >>> base_url("ollama") is None
        True
    """
    variable = BASE_URL_NAMES.get(provider.strip().lower())
    return _setting(variable) if variable else None


def _setting(name: str) -> str | None:
    value = environment(name) or dotenv().values.get(name)
    return value.reveal() if value else None


def _number(name: str, read: Callable[[str], _N], fits: Callable[[_N], bool], expected: str) -> _N | None:
    text = _setting(name)
    if text is None:
        return None
    try:
        number = read(text)
    except ValueError:
        pass
    else:
        if fits(number):
            return number
    raise _refused(name, expected)


def _refused(name: str, expected: str) -> InvalidSetting:
    shown = redact(_setting(name) or "")[:40]
    place = "" if environment(name) else f" It is set in {DOTENV}."
    return InvalidSetting(f"{name} is {shown!r}; it must be {expected}.{place}")
