"""What a session knows of its providers besides their settings: how they fared, and which models they list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from convoscope_jupyter.errors import UnknownProvider
from convoscope_jupyter.messages import Attempt, ErrorKind, utc_now
from convoscope_jupyter.protocol import Health
from convoscope_jupyter.providers import suggested_models
from convoscope_jupyter.providers._base import Provider

_ITS_OWN_FAULT: frozenset[ErrorKind] = frozenset(
    {
        "authentication",
        "permission_denied",
        "insufficient_quota",
        "rate_limited",
        "overloaded",
        "server_error",
        "connection_failed",
        "timed_out",
        "protocol_error",
        "interrupted",
    }
)
"""Kinds that will meet the next question as well. The others speak of the question, the model, or the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHealth:
    """What is to be expected of a provider. An estimate: nothing is sent to find out."""

    state: Health = "unknown"
    note: str | None = None
    """What went wrong last, and what to do."""
    retry_in_s: float | None = None
    """How long it still wants to be left alone, while it is cooling."""


def health_after(attempt: Attempt | None, *, now: datetime) -> ProviderHealth:
    """What the last attempt says about a provider; pure.

    Args:
        attempt: The last one of any of its models that says something; `None`: none was made.
        now: UTC.

    Example:
        >>> health_after(None, now=datetime.now()).state
        'unknown'
    """
    if attempt is None:
        return ProviderHealth()
    if attempt.error_kind is None:
        return ProviderHealth(state="ok")
    if attempt.retry_after_s is None:
        return ProviderHealth(state="failing", note=attempt.error_message)
    until = attempt.started_at + timedelta(seconds=attempt.duration_s + attempt.retry_after_s)
    left_s = (until - now).total_seconds()
    if left_s <= 0:
        return ProviderHealth()
    return ProviderHealth(state="cooling", note=attempt.error_message, retry_in_s=left_s)


class ProviderBoard:
    """Remembers, for as long as the session lives. Asks nobody unless someone wants a list.

    Args:
        providers: The session's providers by name.
    """

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers
        self._last: dict[str, Attempt] = {}
        self._models: dict[tuple[str, str | None, str | None], tuple[str, ...]] = {}

    def note(self, attempts: Iterable[Attempt]) -> None:
        """Take in how attempts ended.

        Args:
            attempts: In order.
        """
        for attempt in attempts:
            if attempt.error_kind is None or attempt.error_kind in _ITS_OWN_FAULT:
                self._last[attempt.model.provider] = attempt

    def health(self, name: str) -> ProviderHealth:
        """How a provider fared when it was last asked.

        Args:
            name: Of the provider.
        """
        return health_after(self._last.get(name), now=utc_now())

    def known_models(self, name: str) -> tuple[str, ...]:
        """Model ids worth offering: all of them once they were listed, a few before.

        Args:
            name: Of the provider.
        """
        return self._models.get(self._key(name)) or suggested_models(name)

    async def list_models(self, name: str, *, refresh: bool = False) -> tuple[str, ...]:
        """All models of a provider; asked for once per key and address.

        Args:
            name: Of the provider.
            refresh: Ask again.

        Raises:
            UnknownProvider: There is none of this name.
            ProviderError: The provider gave no list.
        """
        if name not in self._providers:
            raise UnknownProvider(name, tuple(self._providers))
        key = self._key(name)
        if refresh or key not in self._models:
            self._models[key] = await self._providers[name].list_models(name)
        return self._models[key]

    def _key(self, name: str) -> tuple[str, str | None, str | None]:
        # Another key may see other models.
        status = self._providers[name].status(name)
        return (name, status.key_source, status.host)
