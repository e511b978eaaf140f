"""What the tests of settings and keys share."""

from __future__ import annotations

from pathlib import Path

KEY = "sk-canary-1234567890abcd"


def dotenv(*lines: str) -> Path:
    path = Path(".env")
    path.write_text("\n".join(lines), "utf-8")
    return path


def shown_by_a_verbose_traceback(error: BaseException) -> str:
    """Everything that IPython's `%xmode Verbose` prints of our frames: their local variables."""
    shown, trace = [str(error)], error.__traceback__
    while trace is not None:
        if "convoscope_jupyter" in trace.tb_frame.f_code.co_filename:
            shown.append(repr(dict(trace.tb_frame.f_locals)))
        trace = trace.tb_next
    return "\n".join(shown)
