"""What Tab offers on a `%%convo` line: providers, their models, options."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from convoscope_jupyter.hosts._cell_line import OPTIONS

_LAST_WORD = re.compile(r"[^\s,]*\Z")
_OPTION = re.compile(r"(?:^|\s)--?[\w-]*\Z")


def completions(line: str, *, providers: Sequence[str], models: Callable[[str], Sequence[str]]) -> list[str]:
    """What the last word of a line may become; pure.

    Args:
        line: The text up to the cursor, from the magic's name on.
        providers: Their names.
        models: The models worth offering, by provider. Nothing is asked of anyone.

    Returns:
        Whole words that begin as the last word does.

    Example:
        >>> completions("%%convo demo:tour, de", providers=["openai", "demo"], models=lambda name: ())
        ['demo:']
    """
    _, _, rest = line.partition(" ")
    if _OPTION.search(rest):
        word = rest.rsplit(maxsplit=1)[-1]
        given = rest.split()[:-1]
        return [option for option in OPTIONS if option.startswith(word) and option not in given]
    if "--" in rest:
        return []  # an option's value
    found = _LAST_WORD.search(rest)
    word = found[0] if found else ""
    provider, colon, _ = word.partition(":")
    offered = [f"{provider}:{name}" for name in models(provider)] if colon and provider in providers else []
    if not colon:
        offered = [f"{name}:" for name in providers]
    return [each for each in offered if each.startswith(word)]


def behind(symbol: str, line: str, words: Sequence[str]) -> list[str]:
    """The words as IPython wants them: it takes what follows a colon for a word of its own.

    Args:
        symbol: What IPython completes, at the end of the line.
        line: The text up to the cursor.
        words: From `completions`.
    """
    found = _LAST_WORD.search(line)
    known = len(found[0]) - len(symbol) if found else 0
    return [word[known:] for word in words] if known >= 0 else []
