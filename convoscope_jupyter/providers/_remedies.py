"""What to do about a request that a provider refuses, by what its refusal names.

Providers differ in what they refuse: a temperature at all, one above 1, an image, an answer as long as was asked for.
What we send is what was asked, the refusal is theirs, and people are told which setting of ours it is about.
"""

from __future__ import annotations

import re

_SMALLER_IMAGE = "Ask with a smaller image."
_NO_IMAGE = "Ask without the image, or choose a model that sees images."
_NO_TEMPERATURE = "Set session.temperature = None, or choose another model."
_OTHER_LENGTH = "Choose another max_output_tokens for the session, or another model."

_REMEDIES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), remedy)
    for pattern, remedy in (
        (r"\bimage\b[^.]*(?:exceed|too large)|image_dimensions_too_large", _SMALLER_IMAGE),
        (r"(?:support|enabled)[^.]*\bimage|\bimage(?:_url|s)?\b[^.]*(?:support|enabled)", _NO_IMAGE),
        (r"support vision|not a multimodal model|at most 0 images?\b", _NO_IMAGE),
        (r"\btemperature\b", _NO_TEMPERATURE),
        (r"\bmax_?(?:new_|output_?|completion_)?tokens\b", _OTHER_LENGTH),
    )
)


def remedy_for(*said: str) -> str:
    """What to do about a refusal; empty when nothing we know of helps.

    Args:
        said: What it says, the most exact first: the parameter at fault, a code, a sentence.
    """
    found = (remedy for text in said for pattern, remedy in _REMEDIES if pattern.search(text))
    return next(found, "")
