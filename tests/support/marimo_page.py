"""What a person does in a marimo app, and the apps there are to do it in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.chat_page import Chat, HostPage
from tests.support.marimo_server import MarimoServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

DARK = '# /// script\n# [tool.marimo.display]\n# theme = "dark"\n# ///\n\n'

# Two sliders: with one, a cell runs again that has nothing to do with the chat, and runs until there is a file named
# "gate"; with the other, the cell that makes the chat runs again.
APP = """{head}import marimo

app = marimo.App()


@app.cell
def _():
    import time
    from pathlib import Path

    import marimo as mo

    import convoscope_jupyter as cv

    return Path, cv, mo, time


@app.cell
def _(mo):
    number = mo.ui.slider(0, 10, label="Number")
    assistant = mo.ui.slider(0, 10, label="Assistant")
    mo.vstack([number, assistant])
    return assistant, number


@app.cell
def _(Path, mo, number, time):
    if number.value:
        mo.output.replace(mo.md("The cell runs."))
        while not Path({gate!r}).exists():
            time.sleep(0.02)
    mo.output.replace(mo.md(f"The number is {{number.value}}."))


@app.cell
def _(assistant, cv, mo):
    chat = mo.ui.anywidget(cv.Chat({route!r}, system=f"You are assistant {{assistant.value}}.", store={store!r}))
    chat
    return (chat,)


if __name__ == "__main__":
    app.run()
"""

ROUTES = {
    "fallback": "demo:fail-429, demo:tour",
    "slow": "demo:slow",
    "kept": "demo:echo",
    "light": "demo:echo",
    "dark": "demo:echo",
}
"""What the chat of each app asks. "kept" keeps its conversations in a file, "dark" is dark."""

NUMBER, ASSISTANT = 0, 1
"""The sliders."""


def apps(*, store: Path, gate: Path) -> dict[str, str]:
    """The sources by name."""
    return {
        name: APP.format(
            head=DARK if name == "dark" else "",
            route=route,
            store=str(store) if name == "kept" else ":memory:",
            gate=str(gate),
        )
        for name, route in ROUTES.items()
    }


class MarimoPage(HostPage):
    """An app in the browser, and what its cells wait for.

    Args:
        page: An empty page.
        server: Serves `apps`.
        gate: The file they wait for.
    """

    def __init__(self, page: Page, server: MarimoServer, gate: Path) -> None:
        super().__init__(page)
        self.server, self.gate = server, gate

    def open_chat(self, name: str, route: str) -> Chat:
        """Open the app of this name, whose chat asks this route."""
        assert ROUTES[name] == route
        self.page.goto(self.server.url_of(name))
        return self.chat().when_ready()

    def move(self, slider: int) -> None:
        """Move a slider by one."""
        self.page.get_by_role("slider").nth(slider).press("ArrowRight")
