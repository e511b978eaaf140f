"""What `%convo` prints: who can be asked, whom a question goes to, where it is kept."""

from __future__ import annotations

import math
from typing import assert_never

from convoscope_jupyter import config
from convoscope_jupyter._provider_board import ProviderHealth
from convoscope_jupyter._text import dollars
from convoscope_jupyter.context import display_safe
from convoscope_jupyter.errors import ConvoError
from convoscope_jupyter.providers import Provider
from convoscope_jupyter.session import Session


def status_lines(session: Session) -> list[str]:
    """A session's providers, route and store, one line each.

    Args:
        session: The session.

    Returns:
        Plain lines, aligned. No key is in them.

    Example:
        >>> status_lines(Session("demo:tour", store=":memory:"))[-1]
        'Conversations  :memory: (kept until this kernel ends)'
    """
    names = tuple(session.providers)
    width = max(len(name) for name in names)
    board, models = session.conductor.board, session.conductor.models_in_use
    lines = [
        f"{name:<{width}}  {provider_line(name, session.providers[name], board.health(name, models))}" for name in names
    ]
    lines += ["", f"Route          {', then '.join(str(model) for model in session.route.candidates)}"]
    lines += [
        f"Left alone     {name}:{model} {_left_alone(held)}"
        for name in names
        for model, held in board.held_models(name, models).items()
    ]
    if session.max_cost_usd is not None or session.max_tokens_total is not None:
        lines.append(f"Spent          {_spent(session)}")
    lines.append(f"Conversations  {_keeping(session)}")
    if note := config.load_settings().note:
        lines.append(f"Note           {note}")
    return [display_safe(line) for line in lines]


def provider_line(name: str, provider: Provider, health: ProviderHealth) -> str:
    """Whether a provider can be asked now, in one line.

    Args:
        name: Name under which the session knows it.
        provider: The provider.
        health: How it fared when it was last asked.

    Returns:
        `ready` with where its key comes from, or `not ready` with the remedy; then how it fared.
    """
    try:
        status = provider.status(name)
    except ConvoError as error:  # one provider's unusable setting hides no other's line
        return f"not ready  {_one_line(str(error))}"
    facts = [
        "offline: not a model, nothing leaves this machine" if status.offline else None,
        f"key from {status.key_source}" if status.key_source else None,
        f"at {status.host}" if status.host else None,
        status.remedy,
        _fared(health),
    ]
    state = "ready    " if status.ready else "not ready"
    return f"{state}  {_one_line('; '.join(fact for fact in facts if fact))}".rstrip()


def _fared(health: ProviderHealth) -> str | None:
    match health.state:
        case "unknown":
            return None
        case "ok":
            return "answered last time"
        case "cooling":
            return f"left alone {_left_alone(health)}"
        case "demoted":
            return f"asked after the others {_left_alone(health)}"
        case "failing":
            return f"failed last time: {health.note}"
        case _ as never:
            assert_never(never)


def _left_alone(health: ProviderHealth) -> str:
    until = "until its key changes" if health.retry_in_s is None else f"for {math.ceil(health.retry_in_s)} s"
    return f"{until}: {health.note}"


def _spent(session: Session) -> str:
    limits = [
        dollars(session.max_cost_usd) if session.max_cost_usd is not None else None,
        f"{session.max_tokens_total:,} tokens" if session.max_tokens_total is not None else None,
    ]
    allowed = " and ".join(limit for limit in limits if limit)
    return _one_line(f"at most {allowed}; so far {session.spent}")


def _keeping(session: Session) -> str:
    keeper = session.keeper
    if keeper.problem:
        return f"not saved: {_one_line(keeper.problem)}"
    if keeper.place == ":memory:":
        return ":memory: (kept until this kernel ends)"
    return f"{keeper.place} (no trouble saving so far)"


def _one_line(text: str) -> str:
    return " ".join(text.split())
