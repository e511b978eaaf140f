"""Chat with OpenAI, Anthropic and Gemini inside a notebook, with fallback, receipts and a store that loses nothing.

Example:
    >>> import convoscope_jupyter as cv
    >>> cv.Session("demo:echo", store=":memory:").ask("Hello").text
    'Hello'
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convoscope_jupyter._budget import Spending
    from convoscope_jupyter._methods import Methods
    from convoscope_jupyter.config import set_key
    from convoscope_jupyter.errors import (
        AnswerInterrupted,
        BudgetExceeded,
        ConversationBusy,
        ConvoError,
        ProviderError,
        RouteExhausted,
        StoreError,
    )
    from convoscope_jupyter.hosts._shell import Shell
    from convoscope_jupyter.hosts.widget import Chat
    from convoscope_jupyter.messages import (
        Attempt,
        AttemptFailed,
        AttemptStarted,
        Conversation,
        Cost,
        Message,
        ModelRef,
        ReasoningDelta,
        Response,
        RetryScheduled,
        TextDelta,
        Turn,
        TurnFinished,
        Usage,
    )
    from convoscope_jupyter.providers import Anthropic, Demo, Google, OpenAI, OpenAICompatible
    from convoscope_jupyter.routing import RetryPolicy, Route, TimeLimits
    from convoscope_jupyter.session import Session
    from convoscope_jupyter.store import Store, open_store

__version__ = "0.1.0"

# Loaded when first named: importing the package costs no SDK, no widget code and no database.
_HOME = {
    "convoscope_jupyter._budget": ("Spending",),
    "convoscope_jupyter._methods": ("Methods",),
    "convoscope_jupyter.config": ("set_key",),
    "convoscope_jupyter.errors": (
        "AnswerInterrupted",
        "BudgetExceeded",
        "ConversationBusy",
        "ConvoError",
        "ProviderError",
        "RouteExhausted",
        "StoreError",
    ),
    "convoscope_jupyter.hosts.widget": ("Chat",),
    "convoscope_jupyter.messages": (
        "Attempt",
        "AttemptFailed",
        "AttemptStarted",
        "Conversation",
        "Cost",
        "Message",
        "ModelRef",
        "ReasoningDelta",
        "Response",
        "RetryScheduled",
        "TextDelta",
        "Turn",
        "TurnFinished",
        "Usage",
    ),
    "convoscope_jupyter.providers": ("Anthropic", "Demo", "Google", "OpenAI", "OpenAICompatible"),
    "convoscope_jupyter.routing": ("RetryPolicy", "Route", "TimeLimits"),
    "convoscope_jupyter.session": ("Session",),
    "convoscope_jupyter.store": ("Store", "open_store"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "AnswerInterrupted",
    "Anthropic",
    "Attempt",
    "AttemptFailed",
    "AttemptStarted",
    "BudgetExceeded",
    "Chat",
    "Conversation",
    "ConversationBusy",
    "ConvoError",
    "Cost",
    "Demo",
    "Google",
    "Message",
    "Methods",
    "ModelRef",
    "OpenAI",
    "OpenAICompatible",
    "ProviderError",
    "ReasoningDelta",
    "Response",
    "RetryPolicy",
    "RetryScheduled",
    "Route",
    "RouteExhausted",
    "Session",
    "Spending",
    "Store",
    "StoreError",
    "TextDelta",
    "TimeLimits",
    "Turn",
    "TurnFinished",
    "Usage",
    "__version__",
    "open_store",
    "set_key",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(ipython: Shell) -> None:
    """Bring `%%convo` and `%convo`: `%load_ext convoscope_jupyter` calls this.

    Args:
        ipython: The shell.
    """
    importlib.import_module("convoscope_jupyter.hosts.magic").load(ipython)


def unload_ipython_extension(ipython: Shell) -> None:
    """Take the magics away: `%unload_ext convoscope_jupyter` calls this.

    Args:
        ipython: The shell.
    """
    importlib.import_module("convoscope_jupyter.hosts.magic").unload(ipython)
