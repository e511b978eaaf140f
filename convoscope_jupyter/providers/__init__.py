"""Sources of answers. SDKs stay behind this package's door; each is imported only when it is needed."""

from __future__ import annotations

from convoscope_jupyter.providers._anthropic import Anthropic
from convoscope_jupyter.providers._base import (
    ChatRequest,
    Chunk,
    Finished,
    Provider,
    ProviderStatus,
    Started,
    Wire,
)
from convoscope_jupyter.providers._catalogue import default_model, suggested_models
from convoscope_jupyter.providers._demo import Demo
from convoscope_jupyter.providers._google import Google, GoogleSdk
from convoscope_jupyter.providers._openai import OpenAI, OpenAICompatible

__all__ = [
    "Anthropic",
    "ChatRequest",
    "Chunk",
    "Demo",
    "Finished",
    "Google",
    "GoogleSdk",
    "OpenAI",
    "OpenAICompatible",
    "Provider",
    "ProviderStatus",
    "Started",
    "Wire",
    "default_model",
    "default_providers",
    "suggested_models",
]


def default_providers() -> dict[str, Provider]:
    """The providers that every session has, by name. Servers of one's own are added to them.

    Example:
        >>> sorted(default_providers())
        ['anthropic', 'demo', 'google', 'openai']
    """
    return {"openai": OpenAI(), "anthropic": Anthropic(), "google": Google(), "demo": Demo()}
