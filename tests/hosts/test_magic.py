"""`%%convo` and `%convo` in a plain IPython shell, which prints what it shows."""

from __future__ import annotations

import atexit
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import convoscope_jupyter as cv
from convoscope_jupyter._provider_board import ProviderHealth
from convoscope_jupyter.hosts import magic
from convoscope_jupyter.hosts._status_lines import provider_line
from convoscope_jupyter.providers import Provider, ProviderStatus
from tests.support.scripted import OK, Scripted, Step
from tests.support.settings import KEY, dotenv

CANARY = "sk-canary-0123456789abcdefghij"


class Cells:
    """A shell that runs cells, one after the other."""

    def __init__(self, shell: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401 - as below
        self.shell = shell
        self._capsys = capsys

    def run(self, cell: str) -> str:
        """Run a cell that succeeds; returns what it printed."""
        result = self.attempt(cell)
        assert result.success, self._capsys.readouterr()
        return self._capsys.readouterr().out

    def attempt(self, cell: str) -> Any:  # noqa: ANN401 - IPython's annotations are partial
        return self.shell.run_cell(cell, store_history=True)

    def refused(self, cell: str) -> str:
        """Run a cell that fails; returns all that it printed."""
        assert not self.attempt(cell).success
        captured = self._capsys.readouterr()
        return captured.out + captured.err


@pytest.fixture
def make_cells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], Cells]]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shells: list[Any] = []

    def make() -> Cells:
        options = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
        shell = InteractiveShell(config=options)  # type: ignore[no-untyped-call]  # IPython's annotations are partial
        shells.append(shell)
        cells = Cells(shell, capsys)
        cells.run("%load_ext convoscope_jupyter")
        return cells

    yield make
    for shell in shells:
        magic._convos.pop(shell, None)
        shell.atexit_operations()
        atexit.unregister(shell.atexit_operations)


@pytest.fixture
def cells(make_cells: Callable[[], Cells]) -> Cells:
    return make_cells()


def answer_with(monkeypatch: pytest.MonkeyPatch, **scripts: list[tuple[Step, ...]]) -> Scripted:
    """Let the magics' sessions ask a scripted provider `p`; the default route is `p:m`."""
    provider = Scripted(**scripts)
    monkeypatch.setattr(magic, "Session", lambda: cv.Session("p:m", providers={"p": provider}))
    return provider


# --- asking ---------------------------------------------------------------------------------------------------------


def test_a_cell_is_asked_and_the_answer_printed_with_its_receipt(cells: Cells) -> None:
    printed = cells.run("%%convo demo:fail-429, demo:echo\nHello")

    expected = r"Hello\n\ndemo:echo answered in under 0\.1 s, after demo:fail-429 was rate limited\.\n"
    assert re.fullmatch(expected, printed)


def test_nothing_goes_into_out(cells: Cells) -> None:
    result = cells.attempt("%%convo demo:echo\nHello")

    assert result.result is None
    assert {} == cells.shell.user_ns["Out"]


def test_the_question_is_taken_as_it_is_written(cells: Cells) -> None:
    cells.run("name = 'nobody'")
    question = "  Say {name}, $name, {{x}}, %time and !ls\n\n    x = {'a': 1}\t\\n"
    cells.run(f"%%convo demo:echo --out turn\n{question}\n")

    assert question == cells.shell.user_ns["turn"].prompt.text


def test_variables_count_on_the_line_and_other_braces_do_no_harm(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = answer_with(monkeypatch, m=[OK], n=[OK])
    cells.run("model = 'p:n'\nwords = 'Be brief'")
    cells.run('%%convo $model --system "{words}"\nHi')
    cells.run("%%convo p:m --system \"Answer as {'a': 1} or {nothing\"\nHi")

    assert [("n", "Be brief"), ("m", "Answer as {'a': 1} or {nothing")] == [
        (request.model, request.system) for request in provider.requests
    ]


def test_a_route_counts_for_its_question_only(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = answer_with(monkeypatch, m=[OK], n=[OK])
    for line in ("%%convo", "%%convo p:n", "%%convo"):
        cells.run(f"{line}\nHi")

    assert ["m", "n", "m"] == provider.asked


def test_instructions_count_from_their_question_on_until_they_are_taken_away(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = answer_with(monkeypatch, m=[OK])
    for line in ("%%convo", '%%convo --system "Be brief"', "%%convo", '%%convo --system ""'):
        cells.run(f"{line}\nHi")

    assert [None, "Be brief", "Be brief", None] == [request.system for request in provider.requests]


def test_cells_share_one_conversation_and_a_named_session_has_its_own(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = answer_with(monkeypatch, m=[OK])
    for line in ("%%convo", "%%convo", "%%convo --session review", "%%convo --session review"):
        cells.run(f"{line}\nHi")

    assert [1, 3, 1, 3] == [len(request.messages) for request in provider.requests]


def test_sessions_are_new_in_every_kernel(make_cells: Callable[[], Cells], monkeypatch: pytest.MonkeyPatch) -> None:
    provider = answer_with(monkeypatch, m=[OK])
    for kernel in (make_cells(), make_cells()):
        kernel.run("%%convo --session review\nHi")
        kernel.run("%%convo\nHi")

    assert [1, 1, 1, 1] == [len(request.messages) for request in provider.requests]


def test_the_turn_is_put_into_the_named_variable(cells: Cells) -> None:
    cells.run("%%convo demo:echo --out turn\nHello")
    turn = cells.shell.user_ns["turn"]

    assert isinstance(turn, cv.Turn)
    assert "Hello" == turn.text


def test_asking_works_inside_a_coroutine_and_on_top_of_a_running_loop(cells: Cells) -> None:
    cells.run(
        "async def ask():\n    get_ipython().run_cell_magic('convo', 'demo:echo --out turn', 'Hello')\nawait ask()"
    )

    assert "Hello" == cells.shell.user_ns["turn"].text


# --- when it goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("%%convo --systm x\nHi", "UsageError: there is no option '--systm'. Did you mean --system?\n"),
        ("%%convo demo:echo\n \n\n", "UsageError: there is no question. Write it on the lines below %%convo.\n"),
    ],
    ids=["option", "question"],
)
def test_a_line_that_cannot_be_read_is_one_sentence_and_sends_nothing(
    cells: Cells, monkeypatch: pytest.MonkeyPatch, cell: str, sentence: str
) -> None:
    provider = answer_with(monkeypatch, m=[OK])

    assert sentence == cells.refused(cell)
    assert [] == provider.asked


def test_a_route_that_cannot_be_read_changes_no_instructions(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = answer_with(monkeypatch, m=[OK])
    printed = cells.refused('%%convo gpt-5 --system "Be brief"\nHi')
    cells.run("%%convo\nHi")

    assert printed.startswith("UnknownModel: 'gpt-5' does not say which provider has the model.")
    assert 1 == len(printed.splitlines())
    assert [None] == [request.system for request in provider.requests]


def test_when_nobody_answers_the_reasons_are_raised_and_shown_without_frames(cells: Cells) -> None:
    result = cells.attempt("%%convo demo:fail-401 --out turn\nheliotrope")
    printed = cells.refused("%%convo demo:fail-401\nheliotrope")

    assert isinstance(result.error_in_exec, cv.RouteExhausted)
    assert result.error_in_exec.turn == cells.shell.user_ns["turn"]
    assert printed.startswith("RouteExhausted: No model answered: demo:fail-401 rejected the key")
    assert "heliotrope" not in printed
    assert "File" not in printed


def test_an_answer_that_breaks_off_is_shown_so_far_kept_and_raised(cells: Cells) -> None:
    result = cells.attempt("%%convo demo:drop-midway --out turn\nHi")
    printed = cells.refused("%%convo demo:drop-midway\nheliotrope")
    turn = cells.shell.user_ns["turn"]

    assert isinstance(result.error_in_exec, cv.AnswerInterrupted)
    assert result.error_in_exec.turn == turn
    assert printed.startswith(f"{turn.text}\n\ndemo:drop-midway broke off after ")
    assert f"\nAnswerInterrupted: the answer broke off after {len(turn.text)} characters" in printed
    assert "heliotrope" not in printed
    assert "File" not in printed


def test_a_limit_on_the_line_counts_for_the_session_from_then_on(cells: Cells) -> None:
    cells.run("%%convo demo:echo --max-cost 0.50\nHi")
    lines = cells.run("%convo").splitlines()

    assert (
        "Spent          at most $0.50; so far about 2 tokens in 1 attempt; the cost of 1 is not known (demo:echo): "
        "only tokens are counted there"
    ) in lines
    assert "US dollars above 0" in cells.refused("%%convo demo:echo --max-cost nothing\nHi")


def test_a_refused_question_is_one_sentence_and_is_not_kept(cells: Cells) -> None:
    cells.run("%%convo demo:echo\nHi")
    session = magic._convos[cells.shell].session()
    session.max_tokens_total = 2
    printed = cells.refused("%%convo demo:echo\nheliotrope")

    assert printed.startswith("BudgetExceeded: this session may use at most 2 tokens and has used about 2 so far.")
    assert 1 == len(printed.splitlines())
    assert 1 == len(session.conversation.turns)


# --- %convo ---------------------------------------------------------------------------------------------------------


def test_convo_alone_prints_providers_route_and_store(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("CONVOSCOPE_ROUTE", "openai:gpt-5-mini, demo:tour")
    lines = cells.run("%convo").splitlines()

    assert any(re.fullmatch(r"openai +ready +key from OPENAI_API_KEY", line) for line in lines)
    assert any(re.fullmatch(r"demo +ready +offline: not a model, nothing leaves this machine", line) for line in lines)
    assert "Route          openai:gpt-5-mini, then demo:tour" in lines
    assert re.fullmatch(r"Conversations  .*default-store\.sqlite3 \(no trouble saving so far\)", lines[-1])
    assert CANARY not in "\n".join(lines)
    assert CANARY[-4:] not in "\n".join(lines)


class Fixed:
    """A provider with a status of the test's."""

    def __init__(self, status: ProviderStatus | Exception) -> None:
        self._status = status

    def status(self, name: str) -> ProviderStatus:
        del name
        if isinstance(self._status, Exception):
            raise self._status
        return self._status


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            ProviderStatus(name="p", ready=True, key_source="./.env", host="127.0.0.1:11434", remedy=None),
            "ready      key from ./.env; at 127.0.0.1:11434",
        ),
        (ProviderStatus(name="p", ready=True, key_source=None, host=None, remedy=None), "ready"),
        (
            ProviderStatus(name="p", ready=False, key_source=None, host=None, remedy="Set P_KEY,\nand retry."),
            "not ready  Set P_KEY, and retry.",
        ),
        (cv.ConvoError("P_KEY holds white space."), "not ready  P_KEY holds white space."),
    ],
    ids=["address", "ready", "remedy", "unusable setting"],
)
def test_a_providers_line_says_whether_it_can_be_asked_and_what_to_do(
    status: ProviderStatus | Exception, expected: str
) -> None:
    provider: Provider = Fixed(status)  # type: ignore[assignment]  # only its status is asked for

    assert expected == provider_line("p", provider, ProviderHealth())


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (ProviderHealth(state="ok"), "answered last time"),
        (
            ProviderHealth(state="demoted", note="p is busy. Wait.", retry_in_s=8.2),
            "asked after the others for 9 s: p is busy. Wait.",
        ),
        (
            ProviderHealth(state="cooling", note="p is busy. Wait.", retry_in_s=8.2),
            "left alone for 9 s: p is busy. Wait.",
        ),
        (
            ProviderHealth(state="cooling", note="p rejected the key."),
            "left alone until its key changes: p rejected the key.",
        ),
        (ProviderHealth(state="failing", note="p did not answer."), "failed last time: p did not answer."),
    ],
    ids=["ok", "demoted", "cooling", "rejected", "failing"],
)
def test_a_providers_line_says_how_it_fared(health: ProviderHealth, expected: str) -> None:
    status = ProviderStatus(name="p", ready=True, key_source="P_KEY", host=None, remedy=None)
    provider: Provider = Fixed(status)  # type: ignore[assignment]  # only its status is asked for

    assert f"ready      key from P_KEY; {expected}" == provider_line("p", provider, health)


def test_how_the_providers_of_this_kernel_fared_is_told(cells: Cells) -> None:
    cells.run("%%convo demo:fail-429, demo:echo\nHi")

    lines = cells.run("%convo").splitlines()
    assert next(line for line in lines if line.startswith("demo")).endswith("answered last time")
    held = next(line for line in lines if line.startswith("Left alone"))
    assert held.startswith("Left alone     demo:fail-429 for 20 s: ")


def test_a_provider_that_is_left_alone_is_asked_again_on_request(cells: Cells) -> None:
    cells.run("%%convo demo:fail-429, demo:echo\nHi")
    said = cells.run("%convo try demo")
    cells.run("%%convo demo:fail-429, demo:echo --out turn\nAgain")

    assert "The next question may go to demo again.\n" == said
    assert [False, False] == [attempt.held_back for attempt in cells.shell.user_ns["turn"].response.attempts]


def test_a_provider_to_try_that_is_not_there_is_refused_with_the_near_one(cells: Cells) -> None:
    assert "%convo try needs the name of a provider. Did you mean %convo try demo?" in cells.refused("%convo try demi")


def test_a_dotenv_that_does_not_count_is_told(cells: Cells) -> None:
    dotenv("OPENAI_BASE_URL=https://stranger.example/v1")

    expected = "Note           OPENAI_BASE_URL in ./.env is ignored: there, only an address on this machine counts."
    assert expected == cells.run("%convo").splitlines()[-1]


def test_a_key_is_asked_for_and_questions_without_a_route_follow_it(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[str] = []

    def type_the_key(prompt: str) -> str:
        prompts.append(prompt)
        return KEY

    monkeypatch.setattr("getpass.getpass", type_the_key)
    before = cells.run("%convo")
    printed = cells.run("%convo key OpenAI")

    assert "Route          demo:tour" in before
    assert ["Key for openai (it is not shown): "] == prompts
    assert re.fullmatch(
        r"The key for openai counts in this kernel\. Questions without a route go to openai:\S+\.\n", printed
    )
    assert re.search(r"openai +ready +key from cv\.set_key\n", cells.run("%convo"))


def test_without_anybody_to_ask_a_key_is_refused_in_one_sentence(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(prompt: str) -> str:
        raise EOFError(prompt)

    monkeypatch.setattr("getpass.getpass", nobody)

    assert cells.refused("%convo key openai") == (
        "InvalidSetting: there is nobody here to ask for the key for openai. "
        "Set OPENAI_API_KEY in the environment or in .env.\n"
    )


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("%convo key", "%convo key needs the name of a provider, and never the key itself. Known: "),
        ("%convo key opnai", "%convo key needs the name of a provider, and never the key itself. Did you mean %convo "),
        (f"%convo key {KEY}", "%convo key needs the name of a provider, and never the key itself. Known: "),
        (f"%convo key openai {KEY}", "a key does not belong on the line: it is in this notebook and in IPython's "),
        ("%convo models opnai", "%convo models needs the name of a provider. Did you mean %convo models openai?"),
        (f"%convo models {KEY}", "%convo models needs the name of a provider. Known: openai, anthropic, google, demo."),
        ("%convo models", "%convo models needs the name of a provider. Known: openai, "),
        ("%convo key demo", "the demo needs no key. Those that need one: "),
        (
            "%convo What is love",
            "%convo alone prints how things stand, %convo key PROVIDER asks for a key, %convo models ",
        ),
    ],
    ids=[
        "no name",
        "misspelt",
        "a key for a name",
        "a key behind it",
        "models misspelt",
        "a key for models",
        "no name for models",
        "demo",
        "a question",
    ],
)
def test_what_convo_does_not_know_is_refused_in_one_sentence_that_repeats_no_key(
    cells: Cells, cell: str, sentence: str
) -> None:
    printed = cells.refused(cell)

    assert printed.startswith(f"UsageError: {sentence}")
    assert 1 == len(printed.splitlines())
    assert KEY not in printed


# --- loading --------------------------------------------------------------------------------------------------------


def test_loading_twice_changes_nothing(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = answer_with(monkeypatch, m=[OK])
    cells.run("%%convo\nHi")
    cells.run("import convoscope_jupyter\nconvoscope_jupyter.load_ipython_extension(get_ipython())")
    cells.run("%reload_ext convoscope_jupyter")
    cells.run("%%convo\nHi")

    assert [1, 3] == [len(request.messages) for request in provider.requests]


def test_unloading_takes_the_magics_away(cells: Cells) -> None:
    cells.run("%unload_ext convoscope_jupyter")

    assert "UsageError: Line magic function `%convo` not found" in cells.refused("%convo")
    assert "UsageError: Cell magic `%%convo` not found" in cells.refused("%%convo\nHi")
    assert () == cells.shell.custom_exceptions


def test_another_extensions_handling_of_exceptions_is_left_alone(cells: Cells) -> None:
    cells.run("%unload_ext convoscope_jupyter")
    shown: list[object] = []
    cells.shell.set_custom_exc((ZeroDivisionError,), lambda _shell, kind, *_rest, **_options: shown.append(kind))
    cells.run("%load_ext convoscope_jupyter")
    cells.run("%unload_ext convoscope_jupyter")

    cells.refused("1 / 0")

    assert [ZeroDivisionError] == shown


def test_the_help_shows_the_options(cells: Cells) -> None:
    printed = cells.run("print(get_ipython().find_cell_magic('convo').__doc__)")

    assert "%%convo [ROUTE] [--system TEXT] [--out NAME] [--session NAME]" in printed
