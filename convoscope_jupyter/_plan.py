"""Who is asked, in what order, and who is not: the user's order before what the circuit breaker knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convoscope_jupyter._breaker import Breakers, Circuit, Standing
from convoscope_jupyter.errors import BY_KIND, ProviderError
from convoscope_jupyter.messages import Attempt, ModelRef, utc_now
from convoscope_jupyter.providers._base import Provider
from convoscope_jupyter.redaction import safe_error_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Whom to ask, in order, and whom not."""

    ask: tuple[ModelRef, ...]
    set_aside: tuple[tuple[ModelRef, Standing], ...]
    """Those who lost their place: held back, or moved behind others."""


def plan(candidates: Sequence[tuple[ModelRef, Standing]]) -> Plan:
    """Who is asked first: the user's order, with those who have just failed behind the others; pure.

    Args:
        candidates: Each with where it stands, in the user's order.

    Example:
        >>> a, b = ModelRef(provider="p", name="a"), ModelRef(provider="p", name="b")
        >>> [str(model) for model in plan([(a, Standing(phase="demoted", left_s=9.0)), (b, Standing())]).ask]
        ['p:b', 'p:a']
    """
    first = [model for model, standing in candidates if standing.phase in {"ready", "half_open"}]
    behind = [model for model, standing in candidates if standing.phase == "demoted"]
    last = next((place for place, (model, _) in reversed(list(enumerate(candidates))) if model in first), -1)
    set_aside = [
        (model, standing)
        for place, (model, standing) in enumerate(candidates)
        if standing.phase == "open" or (standing.phase == "demoted" and place < last)
    ]
    return Plan(ask=(*first, *behind), set_aside=tuple(set_aside))


class Candidates:
    """The models that one question may go to, before the kernel's circuit breaker.

    Args:
        models: In the user's order.
        providers: By name; every model's is among them.
        breakers: What the kernel's sessions have learned.
    """

    def __init__(self, models: Sequence[ModelRef], providers: Mapping[str, Provider], breakers: Breakers) -> None:
        self._breakers = breakers
        self._endpoints = {model: providers[model.provider].endpoint(model.provider, model.name) for model in models}
        self._is_one = len(self._endpoints) == 1
        usable = {
            endpoint
            for model, endpoint in self._endpoints.items()
            if self._is_one or providers[model.provider].status(model.provider).ready
        }
        # An address that no other can stand in for is always asked: holding it back would help nobody.
        self._has_one_address = len(usable) <= 1

    def plan(self) -> Plan:
        """Whom to ask now."""
        return plan([(model, self.standing(model)) for model in self._endpoints])

    def standing(self, model: ModelRef) -> Standing:
        """Where a candidate stands: its address with its key, and itself.

        Args:
            model: One of them.
        """
        if self._is_one:
            return Standing()
        own = self._breakers.standing(self._circuit(model))
        if own.phase == "open" or self._has_one_address:
            return own
        return self._breakers.standing(Circuit(self._endpoints[model]))

    def start(self, model: ModelRef) -> float | None:
        """A request is about to go out.

        Args:
            model: One of them.

        Returns:
            The time, for `end`; `None` when another question is just finding out whether the model is back.
        """
        return self._breakers.start(self._circuit(model), always=self._has_one_address)

    def end(self, model: ModelRef, attempt: Attempt, started_s: float) -> None:
        """A request ended.

        Args:
            model: One of them.
            attempt: How.
            started_s: What `start` returned.
        """
        self._breakers.end(self._circuit(model), attempt, started_s=started_s)

    def _circuit(self, model: ModelRef) -> Circuit:
        return Circuit(self._endpoints[model], model.name)


def held_back(model: ModelRef, standing: Standing) -> ProviderError:
    """Why a model was not asked, typed as what had happened to it.

    Args:
        model: The model.
        standing: Where it stands.
    """
    until = f"It is asked again in {math.ceil(standing.left_s)} s. " if standing.left_s else ""
    before = f" Before: {standing.note}" if standing.note else ""
    message = f"Nothing was sent: it failed shortly before. {until}Wait, or try it now.{before}"
    error = BY_KIND[standing.cause or "server_error"](
        safe_error_text(message), provider=model.provider, model=model.name
    )
    error.retry_after_s = standing.left_s
    return error


def line_of(model: ModelRef, error: ProviderError) -> Attempt:
    """The receipt's line for a model that was not asked.

    Args:
        model: The model.
        error: From `held_back`.
    """
    return Attempt(
        model=model,
        started_at=utc_now(),
        duration_s=0.0,
        error_kind=error.kind,
        error_message=error.message,
        retry_after_s=error.retry_after_s,
        held_back=True,
    )
