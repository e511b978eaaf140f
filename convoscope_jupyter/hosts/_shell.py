"""What the magics use of IPython's shell, whose own annotations are partial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Publisher(Protocol):
    """Sends displays to a front end."""

    def publish(
        self,
        data: dict[str, object],
        metadata: dict[str, object],
        *,
        transient: dict[str, object],
        update: bool,
    ) -> None:
        """See `IPython.core.displaypub.DisplayPublisher`."""
        ...


class MagicsManager(Protocol):
    """The magics a shell knows."""

    magics: dict[str, dict[str, Any]]
    """By kind, then by name."""

    def register_function(self, func: Callable[..., object], magic_kind: str, magic_name: str) -> None:
        """See `IPython.core.magic.MagicsManager`."""
        ...


class CompletionEvent(Protocol):
    """See `IPython.core.completer`'s custom completers."""

    symbol: str
    """What is completed, at the end of the line."""
    text_until_cursor: str


class Shell(Protocol):
    """See `IPython.core.interactiveshell.InteractiveShell`."""

    display_pub: Publisher
    magics_manager: MagicsManager
    custom_exceptions: tuple[type[BaseException], ...]

    def set_custom_exc(self, exc_tuple: tuple[type[BaseException], ...], handler: Callable[..., object] | None) -> None:
        """Let a handler show some exceptions."""
        ...

    def set_hook(self, name: str, hook: Callable[..., object], *, str_key: str) -> None:
        """Let a function complete the lines of one command."""
        ...

    def push(self, variables: dict[str, object]) -> None:
        """Put variables into the user's namespace."""
        ...

    def _showtraceback(self, etype: type[BaseException], evalue: BaseException, stb: list[str]) -> None: ...
