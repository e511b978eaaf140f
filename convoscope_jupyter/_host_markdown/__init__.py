"""What a host renders is hostile ground too: Markdown made harmless, below every value that shows itself."""

from __future__ import annotations

from convoscope_jupyter._host_markdown._blocks import host_markdown

__all__ = ["host_markdown"]
