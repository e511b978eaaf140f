"""The chat in a notebook's output cell: an anywidget over a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import anywidget
import traitlets

from convoscope_jupyter import protocol
from convoscope_jupyter._conductor import RouteLike
from convoscope_jupyter._notices import ConversationOpened, Notice
from convoscope_jupyter.hosts._dispatch import Dispatcher
from convoscope_jupyter.messages import Conversation
from convoscope_jupyter.session import Session

_Bundle = tuple[dict[str, Any], dict[str, Any]]

_BUNDLE = Path(__file__).parent.parent / "static" / "widget.js"


class Chat(anywidget.AnyWidget):
    """A chat in the notebook.

    Args:
        session_or_route: A `Session`, or a route for a new one; `None` takes the default route.
        conversation: As in `Session`.
        session_options: Anything else `Session` takes.

    Raises:
        ConvoError: As `Session`.
        TypeError: A session was given together with options for a new one.

    Example:
        >>> import convoscope_jupyter as cv
        >>> chat = cv.Chat("demo:tour", store=":memory:")
        >>> chat.session.route.candidates[0].name
        'tour'
    """

    _esm = _BUNDLE if _BUNDLE.exists() else "export default { render({ el }) { el.textContent = 'Not built.' } }"

    # The only synced state besides the bundle: widget state is saved into notebooks, so neither
    # chat text nor a key may ever be a synced trait.
    conversation_id = traitlets.Unicode(read_only=True).tag(sync=True)
    protocol_version = traitlets.Int(protocol.PROTOCOL_VERSION, read_only=True).tag(sync=True)

    _dispatcher: Dispatcher | None = None

    def __init__(
        self,
        session_or_route: Session | RouteLike | None = None,
        *,
        conversation: str | None = None,
        **session_options: Any,  # noqa: ANN401 - they are Session's, which checks them
    ) -> None:
        if isinstance(session_or_route, Session):
            if conversation is not None or session_options:
                message = "pass a session, or options for a new one, not both."
                raise TypeError(message)
            session = session_or_route
        else:
            session = Session(session_or_route, conversation=conversation, **session_options)
        super().__init__()
        self._session = session
        self.set_trait("conversation_id", session.conversation.id)
        _answer_while_a_cell_runs(self.comm)
        self._dispatcher = Dispatcher(session, self._send_event)
        self._stop_observing = session.conductor.observe(self._follow)
        self.on_msg(self._on_message)  # pyright: ignore[reportUnknownMemberType]  # ipywidgets ships no types

    @property
    def session(self) -> Session:
        """The session behind the chat: what is asked there appears here, and the other way round."""
        return self._session

    def close(self) -> None:
        """Remove the chat from the page. The conversation stays in the store."""
        if self._dispatcher is not None:  # ipywidgets closes what could not be made, too
            self._dispatcher.close()
            self._stop_observing()
        super().close()

    def _send_event(self, event: dict[str, object]) -> None:
        self.send(event)  # pyright: ignore[reportUnknownMemberType]  # ipywidgets ships no types

    def _on_message(self, _widget: object, content: object, _buffers: object) -> None:
        if self._dispatcher is not None:
            self._dispatcher.handle(content)

    def _follow(self, notice: Notice) -> None:
        if isinstance(notice, ConversationOpened):
            self.set_trait("conversation_id", self._session.conversation.id)

    def _repr_mimebundle_(self, **kwargs: dict[Any, Any]) -> _Bundle | None:
        bundle = cast("_Bundle | None", super()._repr_mimebundle_(**kwargs))  # pyright: ignore[reportUnknownMemberType]
        if bundle is None:
            return None
        data, metadata = bundle
        # Frozen at display, never refreshed: an update would mount the widget anew and lose the draft.
        data["text/plain"] = _plain_fallback(self._session.conversation)
        data["text/markdown"] = transcript_markdown(self._session.conversation)
        return data, metadata


_NO_WIDGETS = (
    "This front end shows no Jupyter widgets, so the Convoscope chat cannot be used here. "
    'Open the notebook in JupyterLab, Notebook 7 or VS Code, or ask with chat.session.ask("…").'
)


def _plain_fallback(conversation: Conversation) -> str:
    return f"Convoscope chat, {len(conversation.turns)} turns so far. {_NO_WIDGETS}"


def transcript_markdown(conversation: Conversation) -> str:
    """A conversation as text that a host may render.

    Args:
        conversation: The conversation; its newest path is written.

    Returns:
        Markdown that has passed `host_markdown`, after one line that says why it is no chat.
    """
    return f"*{_NO_WIDGETS}*\n\n{conversation._repr_markdown_()}"  # pyright: ignore[reportPrivateUsage]  # IPython names it so


def _answer_while_a_cell_runs(comm: Any) -> None:  # noqa: ANN401 - ipykernel's comm has no public type for this
    """Keep the chat's messages on the shell that the front end chose.

    ipykernel 7.4 sends a comm's messages to whichever shell last sent on it, which after a cell is
    the main one: the chat would stand still until the cell ends. A test holds this on every
    ipykernel of the matrix; drop it when upstream settles.
    """
    reroute: Callable[[object, object], object] = lambda _data, default: default  # noqa: E731 - one expression, named for its place
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = reroute  # noqa: SLF001 - no public way: https://github.com/ipython/ipykernel
