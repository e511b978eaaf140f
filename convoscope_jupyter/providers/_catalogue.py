"""Models to offer before anyone has typed a name. Suggestions only: any id is accepted, the provider decides."""

from __future__ import annotations

_SUGGESTED: dict[str, tuple[str, ...]] = {
    "openai": ("gpt-5-mini", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-4.1-mini"),
    "anthropic": ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-4-6", "claude-haiku-4-5"),
    "google": (
        "gemini-3.8-flash",
        "gemini-3.1-pro-preview",
        "gemini-3.5-flash-lite",
        "gemini-2.5-pro",
        "gemini-2.5-flash",
    ),
    "demo": ("tour", "echo", "slow", "fail-429", "drop-midway"),
}


def suggested_models(provider: str) -> tuple[str, ...]:
    """Names for the model picker.

    Args:
        provider: Name of a provider.

    Returns:
        Model ids, the default one first; empty for a provider whose models we cannot know.
    """
    return _SUGGESTED.get(provider, ())


def default_model(provider: str) -> str | None:
    """The model to start with where only a provider was chosen.

    Args:
        provider: Name of a provider.

    Returns:
        A model id, or `None` when nothing can be presumed about the provider's models.
    """
    return next(iter(suggested_models(provider)), None)
