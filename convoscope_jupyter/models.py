"""Windows and prices of models, from genai-prices. What is not known is `None`, never 0.

The list is the one that genai-prices carries; nothing is fetched. https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from convoscope_jupyter.messages import ModelRef, Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

__all__ = ["Price", "context_window", "cost_usd", "estimate_tokens", "is_reasoning", "load"]

# Only these names are surely the company's own service; "groq" may be what a user calls a server of theirs.
_PRICED = frozenset({"anthropic", "google", "openai"})

_CHARACTERS_PER_TOKEN = 4

# Families that think before their first word, by the names their makers and open servers give them.
_REASONING = re.compile(
    r"""(?:^|[/:_-])(?:
        o[1-9](?:$|-)                      # OpenAI o1, o3-mini, o4-mini
        | gpt-(?:[5-9]|[1-9]\d|oss)        # OpenAI from GPT-5 on
        | gemini-(?:2\.5|[3-9]|[1-9]\d)    # Gemini from 2.5 on
        | claude-[a-z]+-(?:[5-9]|[1-9]\d)     # Claude from 5 on
        | (?:deepseek-)?r[1-9](?:$|[:-])   # DeepSeek R1 and its distillations
        | qwq | qwen3 | magistral | grok-[4-9] | nemotron
    )|think|reason""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an answer costs, and who says so."""

    amount_usd: Decimal
    """US dollars, before tax and discounts."""
    source: str
    """List, its version, and the day whose price it is, such as `genai-prices 0.2.3, price for 2026-11-23`.

    The list has a price for each day, but no date of its own: a change after its release is not in it.
    """


def load() -> None:
    """Read the price list, about 0.3 s the first time. Call it in a worker thread before the first question."""
    _snapshot()


def context_window(ref: ModelRef) -> int | None:
    """How many tokens of input a model takes.

    Args:
        ref: The model.

    Returns:
        Tokens, or `None` when it is not known.

    Example:
        >>> context_window(ModelRef(provider="openai", name="gpt-4o"))
        128000
    """
    found = _find(ref.provider, ref.name)
    return found[1].context_window if found else None


def cost_usd(
    ref: ModelRef, usage: Usage, *, response_model: str | None = None, at: datetime | None = None
) -> Price | None:
    """What an answer costs, cached input at its own rate.

    Args:
        ref: The model that was asked.
        usage: Its token counts.
        response_model: The version that answered, if the provider said so; its price comes first.
        at: When it answered, UTC; prices change. Defaults to now.

    Returns:
        The price, or `None` when the model, its price or a token count is not known.

    Example:
        >>> usage = Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=400)
        >>> cost_usd(ModelRef(provider="openai", name="gpt-5-mini"), usage).amount_usd
        Decimal('0.00036')
    """
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    found = (_find(ref.provider, response_model) if response_model else None) or _find(ref.provider, ref.name)
    if found is None:
        return None
    import genai_prices  # noqa: PLC0415 - loaded on use: the list is 1.6 MB of Python

    provider, model = found
    at = at or datetime.now(UTC)
    prices = model.get_prices(at)
    if prices.input_mtok is None or prices.output_mtok is None:
        return None  # an image or audio model, say: what is not priced would count as free
    try:
        counts = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_input_tokens,
        )
        calculated = model.calc_price(counts, provider, genai_request_timestamp=at)
    except ValueError:  # more cached than there was, or less than nothing
        return None
    source = f"genai-prices {genai_prices.__version__}, price for {at.astimezone(UTC):%Y-%m-%d}"
    return Price(amount_usd=calculated.total_price, source=source)


def is_reasoning(ref: ModelRef) -> bool:
    """Whether a model is known to think for long before its first word. Sets a clock, nothing else.

    Args:
        ref: The model.

    Example:
        >>> is_reasoning(ModelRef(provider="openai", name="o3"))
        True
    """
    return _REASONING.search(ref.name) is not None


def estimate_tokens(text: str) -> int:
    """A rough number of tokens: a quarter of the characters, rounded up.

    Fair for English prose; code and other scripts have more tokens than that. Tokenisers are not
    used because each provider has its own and some are not public.

    Args:
        text: Any text.

    Example:
        >>> estimate_tokens("Hello, world!")
        4
    """
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def _find(provider: str, name: str) -> tuple[Provider, ModelInfo] | None:
    if provider not in _PRICED:
        return None
    try:
        # Google's own lists write "models/gemini-2.5-flash".
        return _snapshot().find_provider_model(name.removeprefix("models/"), None, provider, None)
    except LookupError:
        return None


@functools.cache
def _snapshot() -> DataSnapshot:
    # Our own, from the data in the package: another library of the kernel may have switched on the
    # automatic update of the shared one, and the same answer would then cost another sum tomorrow.
    from genai_prices.data import providers  # noqa: PLC0415 - loaded on use: the list is 1.6 MB of Python
    from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415 - the same

    return DataSnapshot(providers=providers, from_auto_update=False)
