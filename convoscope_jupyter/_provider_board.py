"""What a session tells of its providers besides their settings: how they fare, and which models they list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from convoscope_jupyter._breaker import Breakers, Circuit, Standing
from convoscope_jupyter.errors import UnknownProvider
from convoscope_jupyter.messages import Health, ModelRef
from convoscope_jupyter.providers import suggested_models
from convoscope_jupyter.providers._base import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHealth:
    """What is to be expected of a provider. An estimate: nothing is sent to find out."""

    state: Health = "unknown"
    note: str | None = None
    """What went wrong last, and what to do."""
    retry_in_s: float | None = None
    """How long it is still cooling or demoted; `None` also where only another key, or a person, ends it."""


_BEST_FIRST: tuple[Health, ...] = ("ok", "unknown", "failing", "demoted", "cooling")


def health_of(standing: Standing) -> ProviderHealth:
    """What the circuit breaker's knowledge means to a person; pure.

    Args:
        standing: Of the provider, or of one of its models.

    Example:
        >>> health_of(Standing()).state
        'unknown'
    """
    match standing.phase:
        case "open":
            return ProviderHealth(state="cooling", note=standing.note, retry_in_s=standing.left_s)
        case "demoted":
            return ProviderHealth(state="demoted", note=standing.note, retry_in_s=standing.left_s)
        case "ready" | "half_open" if standing.cause is not None:
            return ProviderHealth(state="failing", note=standing.note)
        case "ready" | "half_open":
            return ProviderHealth(state="ok" if standing.answered else "unknown")
        case _ as never:
            assert_never(never)


class ProviderBoard:
    """Knows how providers fare, and remembers their lists. Asks nobody unless someone wants a list.

    Args:
        providers: The session's providers by name.
        breakers: What the kernel's sessions have learned of them.
    """

    def __init__(self, providers: Mapping[str, Provider], breakers: Breakers) -> None:
        self._providers = providers
        self._breakers = breakers
        self._models: dict[tuple[str, str | None, str | None], tuple[str, ...]] = {}

    def health(self, name: str, models: Iterable[ModelRef]) -> ProviderHealth:
        """How a provider fared when any session of the kernel last asked it.

        Args:
            name: Of the provider.
            models: Those in use. Where each has an address of its own, as the demo's have, the best one counts.
        """
        endpoints = set(self._endpoints(name, models).values()) or {self._providers[name].endpoint(name, "")}
        healths = (health_of(self._breakers.standing(Circuit(endpoint))) for endpoint in endpoints)
        return min(healths, key=lambda health: _BEST_FIRST.index(health.state))

    def held_models(self, name: str, models: Iterable[ModelRef]) -> dict[str, ProviderHealth]:
        """Those models of a provider that are not asked first, while others of it may be.

        Args:
            name: Of the provider.
            models: Those in use.

        Returns:
            Their health by the model's name.
        """
        endpoints = self._endpoints(name, models)
        found: dict[str, ProviderHealth] = {}
        for model, endpoint in endpoints.items():
            circuits = [Circuit(endpoint, model)] + [Circuit(endpoint)] * (len(set(endpoints.values())) > 1)
            for standing in map(self._breakers.standing, circuits):
                if standing.phase in {"open", "demoted"}:
                    found.setdefault(model, health_of(standing))
        return found

    def _endpoints(self, name: str, models: Iterable[ModelRef]) -> dict[str, str]:
        return {one.name: self._providers[name].endpoint(name, one.name) for one in models if one.provider == name}

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
