"""`%%convo` asks what is written in a cell; `%convo` says how things stand."""

from __future__ import annotations

import difflib
import functools
from types import TracebackType
from typing import NoReturn

from convoscope_jupyter import config
from convoscope_jupyter._session_values import default_route
from convoscope_jupyter.context import display_safe
from convoscope_jupyter.errors import AnswerInterrupted, ConvoError, RouteExhausted
from convoscope_jupyter.hosts._cell_line import LineNotUnderstood, read_cell_line
from convoscope_jupyter.hosts._cell_output import cell_output
from convoscope_jupyter.hosts._completion import behind, completions
from convoscope_jupyter.hosts._shell import CompletionEvent, Shell
from convoscope_jupyter.hosts._status_lines import status_lines
from convoscope_jupyter.messages import Turn
from convoscope_jupyter.providers import default_providers
from convoscope_jupyter.routing import Route
from convoscope_jupyter.session import Session

_NAME = "convo"
_NO_KEY_NEEDED = "demo"
_KEY_WORDS = 2

# One per shell, for good: unloading and loading again goes on with the same conversations.
_convos: dict[Shell, Convo] = {}


def load(shell: Shell) -> None:
    """Give a shell `%%convo` and `%convo`. Doing it twice changes nothing.

    Args:
        shell: The shell.
    """
    convo = _convos.setdefault(shell, Convo(shell))
    shell.magics_manager.register_function(convo.ask, "cell", _NAME)
    shell.magics_manager.register_function(convo.tell, "line", _NAME)
    shell.set_hook("complete_command", convo.complete, str_key=f"%%{_NAME}")
    if not shell.custom_exceptions:  # there is one place for this, and who has it keeps it
        shell.set_custom_exc((RouteExhausted,), _show_route_exhausted)


def unload(shell: Shell) -> None:
    """Take the magics away again. Conversations stay.

    Args:
        shell: The shell.
    """
    for kind in ("cell", "line"):
        shell.magics_manager.magics[kind].pop(_NAME, None)
    if shell.custom_exceptions == (RouteExhausted,):
        shell.set_custom_exc((), None)


class Convo:
    """The magics of one shell, and their sessions.

    Args:
        shell: The shell.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        # By name; `None` is the default one. New in every kernel, and never looked up in the store by name: after
        # Restart and Run All the same cells send the same words.
        self._sessions: dict[str | None, Session] = {}

    def session(self, name: str | None = None) -> Session:
        """A session of this kernel, made at its first use.

        Args:
            name: What `--session` calls it; `None` for the default one.

        Returns:
            The session.

        Raises:
            ConvoError: As `Session`.
        """
        if name not in self._sessions:
            self._sessions[name] = Session()
        return self._sessions[name]

    def ask(self, line: str, cell: str) -> None:
        """Ask what is written below the line; the answer streams into the cell's output, its receipt under it.

            %%convo [ROUTE] [--system TEXT] [--out NAME] [--session NAME] [--max-cost USD]

        The question is taken as it is written: nothing in it is replaced. On the line, IPython itself puts the values
        of $name and {name} in, where there are such variables; write {{ and }} for braces that shall stay.

        A failure is raised, so that Run All stops there. Interrupting the kernel stops the answer; what came stays
        shown and is kept.

        Args:
            line: ROUTE is `provider:model`, or several with commas between, asked in order until one answers. It
                counts for this question only. Left out: CONVOSCOPE_ROUTE, then the first provider with a key, then
                the demo.
                --system TEXT gives the conversation its instructions, from this question on; --system "" takes them
                away.
                --out NAME puts the turn into a variable, also one that broke off: NAME.text, NAME.response.receipt.
                --session NAME goes on with the conversation of that name in this kernel, or starts it. Without it,
                all cells share one conversation. Every kernel starts with none.
                --max-cost USD is what that session may cost in all, from this question on: a question that would go
                over it is refused before anything is sent.
            cell: The question.

        Raises:
            LineNotUnderstood: The line cannot be read, or there is no question. Nothing was sent.
            ConvoError: As `Session.ask`.

        Example:
            %%convo demo:fail-429, demo:tour --system "Be brief" --out turn
            What can you do?
        """
        asked = read_cell_line(line)
        prompt = cell.strip("\n")
        if not prompt.strip():
            raise LineNotUnderstood("there is no question. Write it on the lines below %%convo.")
        try:
            session = self.session(asked.session)
            route = None if asked.route is None else Route.parse(asked.route, known=tuple(session.providers))
            if asked.system is not None:
                session.system = asked.system
            if asked.max_cost is not None:
                session.max_cost_usd = asked.max_cost
            self._answer(session, prompt, route, asked.out)
        except ConvoError as error:
            _show_as_one_sentence(error, f"{type(error).__name__}: {error}")
            raise

    def _answer(self, session: Session, prompt: str, route: Route | None, out: str | None) -> None:
        output = cell_output(self._shell)

        def keep(turn: Turn | None) -> None:
            if turn is not None:
                output.finish(turn)
                if out is not None:
                    self._shell.push({out: turn})

        turns_before = len(session.conversation.turns)
        try:
            keep(session.ask(prompt, route=route, on_delta=output.add))
        except (AnswerInterrupted, RouteExhausted) as error:
            keep(error.turn)
            raise
        except KeyboardInterrupt as interrupt:
            # The session has stopped the answer and stored what came before it let the interrupt through.
            keep(next(iter(session.conversation.turns[turns_before:]), None))
            _show_as_one_sentence(interrupt, "KeyboardInterrupt: the answer was stopped. What came of it is kept.")
            raise

    def complete(self, _shell: Shell, event: CompletionEvent) -> list[str]:
        """What Tab offers on the line of `%%convo`. Nothing is asked of anyone.

        Args:
            event: What IPython knows of the line.
        """
        session, line = self.session(), event.text_until_cursor
        words = completions(line, providers=tuple(session.providers), models=session.conductor.board.known_models)
        return behind(event.symbol, line, words)

    def tell(self, line: str) -> None:
        """Print who can be asked, whom a question goes to, and where conversations are kept.

            %convo                  how things stand
            %convo key PROVIDER     ask for a provider's key without showing it, for this kernel
            %convo models PROVIDER  ask a provider which models it has; Tab offers them from then on
            %convo try PROVIDER     ask one that is left alone after failures again, with the next question

        Args:
            line: Nothing, or `key`, `models` or `try` and a provider's name.

        Raises:
            LineNotUnderstood: It is something else.
            ConvoError: No key was given, or nobody can be asked for one; the provider gave no list.
        """
        words = line.split()
        try:
            if not words:
                print(*status_lines(self.session()), sep="\n")  # noqa: T201 - a magic prints
            elif words[0] == "key":
                self._take_key(words[1:])
            elif words[0] == "models":
                self._list_models(words[1:])
            elif words[0] == "try":
                self._try_now(words[1:])
            else:
                raise LineNotUnderstood(
                    "%convo alone prints how things stand, %convo key PROVIDER asks for a key, "
                    "%convo models PROVIDER lists its models, and %convo try PROVIDER ends its being left alone. "
                    "To ask a question, write %%convo on the first line of a cell and the question below."
                )
        except ConvoError as error:
            _show_as_one_sentence(error, f"{type(error).__name__}: {error}")
            raise

    def _list_models(self, words: list[str]) -> None:
        session = self.session()
        if len(words) != 1 or words[0] not in session.providers:
            _refuse_provider("models", " ".join(words), list(session.providers))
        print(*map(display_safe, session.list_models(words[0], refresh=True)), sep="\n")  # noqa: T201 - a magic prints

    def _try_now(self, words: list[str]) -> None:
        session = self.session()
        if len(words) != 1 or words[0] not in session.providers:
            _refuse_provider("try", " ".join(words), list(session.providers))
        for each in self._sessions.values():
            each.try_now(words[0])
        print(f"The next question may go to {words[0]} again.")  # noqa: T201 - a magic prints

    def _take_key(self, words: list[str]) -> None:
        known = [name for name in default_providers() if name != _NO_KEY_NEEDED]
        if len(words) >= _KEY_WORDS:
            raise LineNotUnderstood(
                "a key does not belong on the line: it is in this notebook and in IPython's history now. "
                "Replace it at the provider and delete the cell. "
                f"Then write only %convo key {known[0]}, which asks for the key without showing it."
            )
        provider = words[0].lower() if words else ""
        if provider == _NO_KEY_NEEDED:
            raise LineNotUnderstood(f"the demo needs no key. Those that need one: {', '.join(known)}.")
        if provider not in known:
            _refuse_provider("key", provider, known)
        config.set_key(provider)
        for session in self._sessions.values():
            # None of them was given a route of its own, so what goes without one follows the new key.
            session.route = default_route(config.load_settings(), session.providers)
        route = ", then ".join(str(model) for model in self.session().route.candidates)
        print(f"The key for {provider} counts in this kernel. Questions without a route go to {route}.")  # noqa: T201 - a magic prints


def _refuse_provider(command: str, provider: str, known: list[str]) -> NoReturn:
    # What was written is not repeated: it may be a key.
    near = difflib.get_close_matches(provider, known, n=1)
    meant = f"Did you mean %convo {command} {near[0]}?" if near else f"Known: {', '.join(known)}."
    never = ", and never the key itself" if command == "key" else ""
    raise LineNotUnderstood(f"%convo {command} needs the name of a provider{never}. {meant}")


def _show_as_one_sentence(error: BaseException, sentence: str) -> None:
    # Only where a cell asked: a program's traceback says where it was. A traceback here would be IPython's frames and
    # ours, with the prompt among them.
    # https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-exception-tracebacks
    vars(error)["_render_traceback_"] = functools.partial(list, [display_safe(sentence)])


def _show_route_exhausted(
    shell: Shell,
    etype: type[RouteExhausted],
    value: RouteExhausted,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    # IPython shows a group by Python's own traceback of every error in it, on stderr, and does not ask the group:
    # https://github.com/ipython/ipython/blob/main/IPython/core/interactiveshell.py (`contains_exceptiongroup`)
    del trace, tb_offset
    shell._showtraceback(etype, value, value._render_traceback_())  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # what `showtraceback` ends with
