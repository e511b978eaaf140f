"""Every error this package raises. They carry data, not only prose.

    ConvoError
    ├── InvalidPrompt (also ValueError)
    ├── InvalidRoute (also ValueError) ── UnknownProvider, UnknownModel
    ├── InvalidSetting (also ValueError)
    ├── MalformedCommand
    ├── ConversationBusy(turn_id)
    ├── ConversationNotFound(reference)
    ├── BudgetExceeded(unit, limit, spent, estimate)
    ├── AnswerInterrupted(turn)
    ├── UnknownFormat(path, known) (also ValueError)
    ├── ImportFormatError(path, line) (also ValueError)
    ├── FileAlreadyExists(path) (also FileExistsError)
    ├── FileProblem(path)
    ├── ProviderError(kind, provider, model, status_code, request_id, retry_after_s)
    │    ├── MissingCredentials   ├── AuthenticationFailed   ├── PermissionDenied
    │    ├── InsufficientQuota    ├── RateLimited            ├── Overloaded
    │    ├── ServerError          ├── ConnectionFailed       ├── TimedOut
    │    ├── ModelNotFound        ├── ContextTooLong         ├── ContentFiltered
    │    ├── InvalidRequest       ├── ProtocolError          └── StreamInterrupted
    ├── RouteExhausted (also ExceptionGroup of ProviderError; `.turn`)
    └── StoreError(path) ── StoreUnavailable, StoreBusy, AlreadyStored, SchemaTooNew

Messages say what happened, to what, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from convoscope_jupyter.messages import ErrorKind, Turn


class ConvoError(Exception):
    """Root of every error of this package."""

    def __reduce__(self) -> tuple[object, ...]:
        # By default an error is made again from its finished sentence, which is not what most of these take: one that
        # a worker process raises would then break the pool it is sent through.
        return _made_again, (type(self), self.args), self.__dict__


def _made_again(kind: type[ConvoError], arguments: tuple[object, ...]) -> ConvoError:
    return kind.__new__(kind, *arguments)


class InvalidPrompt(ConvoError, ValueError):
    """The prompt cannot be sent: empty, only white space, or not text."""


class InvalidRoute(ConvoError, ValueError):
    """The route cannot be read."""


class UnknownProvider(InvalidRoute):
    """A route names a provider that the session does not have.

    Args:
        provider: The name that was asked for.
        known: The names there are.
    """

    def __init__(self, provider: str, known: Sequence[str]) -> None:
        self.provider = provider
        self.known = tuple(known)
        super().__init__(
            f"there is no provider {provider!r}. Known: {', '.join(known)}. For a server of your own, pass "
            f'providers={{"{provider}": cv.OpenAICompatible(base_url="http://127.0.0.1:11434/v1")}}.'
        )


class UnknownModel(InvalidRoute):
    """A model was named without its provider.

    Args:
        ref: What was written.
        suggestions: References that might have been meant, such as `openai:gpt-5-mini`.
    """

    def __init__(self, ref: str, suggestions: Sequence[str] = ()) -> None:
        self.ref = ref
        self.suggestions = tuple(suggestions)
        example = f" Did you mean {' or '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"{ref!r} does not say which provider has the model. Write provider:model.{example}")


class InvalidSetting(ConvoError, ValueError):
    """A setting or environment variable has a value that cannot be used."""


class MalformedCommand(ConvoError):
    """The front end sent something that is not a command of the protocol."""


class ConversationBusy(ConvoError):
    """A turn of this conversation is still running.

    Args:
        turn_id: The running turn.
    """

    def __init__(self, turn_id: str) -> None:
        self.turn_id = turn_id
        super().__init__("an answer is still being written in this conversation. Wait for it, or stop it first.")


class ConversationNotFound(ConvoError, LookupError):
    """No conversation or turn has this id.

    Args:
        reference: What was asked for.
    """

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"there is no conversation or turn {reference!r} in this store. cv.open_store().list() shows what there is."
        )


class BudgetExceeded(ConvoError):
    """A session has spent what it may, or the question would. Nothing was sent and nothing was stored.

    Args:
        message: The figures and what to do.
        unit: What the budget counts.
        limit: What the session may spend.
        spent: What it has spent.
        estimate: What the question alone takes, before any answer; `None` when the limit was reached without it.
    """

    def __init__(
        self,
        message: str,
        *,
        unit: Literal["usd", "tokens"],
        limit: Decimal | int,
        spent: Decimal | int,
        estimate: Decimal | int | None,
    ) -> None:
        self.unit = unit
        self.limit = limit
        self.spent = spent
        self.estimate = estimate
        super().__init__(message)


class AnswerInterrupted(ConvoError):
    """A model broke off in the middle of its answer. What came is kept, in `.turn`.

    Args:
        turn: The turn with the partial answer, already stored.
    """

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        response = turn.response
        why = (
            next((a.error_message for a in reversed(response.attempts) if a.error_message), None) if response else None
        )
        super().__init__(
            f"the answer broke off after {len(turn.text)} characters, which are kept in .turn."
            f"{' ' + why if why else ''} Use session.continue_(error.turn) or session.regenerate(error.turn)."
        )


class UnknownFormat(ConvoError, ValueError):
    """A file's suffix is none that conversations are written in.

    Args:
        path: The file's name or path, or only its suffix.
        known: The suffixes there are.
    """

    def __init__(self, path: str, known: Sequence[str]) -> None:
        self.path = path
        self.known = tuple(known)
        name = re.split(r"[/\\]", path)[-1]
        suffix = name[name.rfind(".") :] if "." in name else name
        super().__init__(f"convoscope reads and writes {' and '.join(known)}, not {suffix!r}. Choose one of them.")


class ImportFormatError(ConvoError, ValueError):
    """A file holds no conversation that can be read.

    Args:
        message: What is wrong and what to do, to be read behind the file's name. It quotes nothing of the file.
        path: The file's name or path.
        line: The line at which it went wrong, from 1; `None` when it is not one line's fault.
    """

    def __init__(self, message: str, *, path: str, line: int | None = None) -> None:
        self.path = path
        self.line = line
        super().__init__(f"{path!r}{f', line {line},' if line is not None else ''} {message}")


class FileAlreadyExists(ConvoError, FileExistsError):
    """An export would overwrite a file.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path!r} exists already and was left as it is. Choose another name, or pass overwrite=True.")

    def __reduce__(self) -> tuple[object, ...]:
        # An OSError that is made without `__init__` forgets its arguments, and with them its sentence.
        return type(self), (self.path,), self.__dict__


class FileProblem(ConvoError):
    """A file of the user's cannot be read or written.

    Args:
        message: What happened and what to do.
        path: The file.
    """

    def __init__(self, message: str, path: str) -> None:
        self.path = path
        super().__init__(message)


class ProviderError(ConvoError):
    """A provider gave no answer, or broke off.

    Args:
        message: What happened and what to do, redacted, at most 300 characters.
        provider: Name of the provider in the route.
        model: Model asked, in the provider's spelling.
        status_code: HTTP status, if there was an HTTP answer.
        request_id: The provider's id of the request.
        retry_after_s: How long the provider asked to wait.
    """

    kind: ClassVar[ErrorKind]

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.message = message
        self.provider = provider
        self.model = model
        self.status_code = status_code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        who = f"{provider}:{model}" if model else provider
        super().__init__(f"{who}: {message}" if provider else message)


class MissingCredentials(ProviderError):
    """No key is set; nothing was sent."""

    kind = "missing_credentials"


class AuthenticationFailed(ProviderError):
    """The provider rejected the key."""

    kind = "authentication"


class PermissionDenied(ProviderError):
    """The key may not use this model or feature."""

    kind = "permission_denied"


class InsufficientQuota(ProviderError):
    """The account is out of credit, or over a daily or spending limit."""

    kind = "insufficient_quota"


class RateLimited(ProviderError):
    """Too many requests; `retry_after_s` says how long to wait, if the provider did."""

    kind = "rate_limited"


class Overloaded(ProviderError):
    """The provider has no capacity at the moment."""

    kind = "overloaded"


class ServerError(ProviderError):
    """The provider failed inside."""

    kind = "server_error"


class ConnectionFailed(ProviderError):
    """No connection, or it broke before any text: DNS, refused, TLS, reset.

    Args:
        retryable: False for what a second try cannot mend, such as DNS and TLS.
    """

    kind = "connection_failed"

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        status_code: int | None = None,
        request_id: str | None = None,
        retryable: bool = True,
    ) -> None:
        super().__init__(message, provider=provider, model=model, status_code=status_code, request_id=request_id)
        self.retryable = retryable


class TimedOut(ProviderError):
    """A clock ran out: connect, first text, idle, or the whole answer."""

    kind = "timed_out"


class ModelNotFound(ProviderError):
    """The provider does not know the model, or the key may not see it."""

    kind = "model_not_found"


class ContextTooLong(ProviderError):
    """The conversation is longer than the model's window."""

    kind = "context_too_long"


class ContentFiltered(ProviderError):
    """The provider refused for its content policy. Never passed on to another provider."""

    kind = "content_filtered"


class InvalidRequest(ProviderError):
    """The provider refused the request as it stands; another try would be refused as well."""

    kind = "invalid_request"


class ProtocolError(ProviderError):
    """What came is not an answer: bad JSON, a web page, nothing at all."""

    kind = "protocol_error"


class StreamInterrupted(ProviderError):
    """The answer broke off after its first text, or ended without a finish marker."""

    kind = "interrupted"


BY_KIND: Mapping[ErrorKind, type[ProviderError]] = {cls.kind: cls for cls in ProviderError.__subclasses__()}
"""The class of each kind but `cancelled`, which is no error."""


class RouteExhausted(ConvoError, ExceptionGroup[ProviderError]):
    """No model of the route answered. `.exceptions` holds one error per attempt, in order.

    Args:
        message: One sentence.
        exceptions: The errors, in order of the attempts.
        turn: The stored turn, when a session raises it.
    """

    turn: Turn | None

    if TYPE_CHECKING:  # ours is always flat

        @property
        def exceptions(self) -> tuple[ProviderError, ...]:
            """One error per attempt, in order."""
            ...

    # An exception group takes its exceptions in `__new__`, so ours are looked at there as well.
    def __new__(cls, message: str, exceptions: Sequence[ProviderError], *, turn: Turn | None = None) -> Self:
        """Make the group."""
        self = super().__new__(cls, message, exceptions)
        self.turn = turn
        return self

    def __init__(self, message: str, exceptions: Sequence[ProviderError], *, turn: Turn | None = None) -> None:
        del turn  # kept by `__new__`
        super().__init__(message, exceptions)

    def derive(self, excs: Sequence[ProviderError], /) -> RouteExhausted:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # ours holds ProviderError only
        """A group of the same kind with some of the errors (`except*` asks for it)."""
        return RouteExhausted(self.message, excs, turn=self.turn)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {n}. {error}" for n, error in enumerate(self.exceptions, 1))])

    def _render_traceback_(self) -> list[str]:
        # https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-exception-tracebacks
        # IPython 9 does not ask a group for it; `%load_ext convoscope_jupyter` has it asked all the same.
        return [f"{type(self).__name__}: {self}"]


class StoreError(ConvoError):
    """The store cannot do what was asked.

    Args:
        message: What happened and what to do.
        path: The store's file, or `:memory:`.
    """

    def __init__(self, message: str, *, path: str) -> None:
        self.path = path
        super().__init__(message)


class StoreUnavailable(StoreError):
    """The store's file cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Another process held the store's lock for too long."""


class AlreadyStored(StoreError):
    """What is to be put into the store has an id that is there already."""


class SchemaTooNew(StoreError):
    """The store was written by a newer version that this one cannot read safely."""
