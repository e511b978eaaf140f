"""What a person does in JupyterLab, in a few words each."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.support.chat_page import CHAT_CELL, Chat, HostPage
from tests.support.jupyter_server import JupyterServer


class LabPage(HostPage):
    """A browser page on a server's JupyterLab.

    Args:
        page: An empty page.
        server: The server.
    """

    def __init__(self, page: Page, server: JupyterServer) -> None:
        super().__init__(page)
        self.server = server

    def url_of(self, notebook: str) -> str:
        """Where a notebook is opened, with nothing else beside it."""
        return f"{self.server.url}/lab/tree/{notebook}?reset"

    def open(self, notebook: str) -> None:
        """Open a notebook and wait until its kernel can run a cell."""
        self.page.goto(self.url_of(notebook))
        self.wait_for_kernel()

    def open_chat(self, name: str, route: str, *more_cells: str) -> Chat:
        """Open a notebook whose first cell shows a chat, and run that cell."""
        self.open(self.server.write_notebook(f"{name}.ipynb", CHAT_CELL.format(route=route), *more_cells))
        self.run_cell(0)
        return self.chat().when_ready()

    def wait_for_kernel(self) -> None:
        """Wait until the notebook's kernel is connected and idle; before, an execution is silently lost."""
        self.page.wait_for_function(
            """() => {
                const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
                const kernel = context?.isReady ? context.session?.kernel : null;
                return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
            }"""
        )

    def run_cell(self, index: int) -> None:
        """Run one cell, without waiting for its end."""
        self.page.evaluate(
            """index => {
                const panel = window.jupyterapp.shell.currentWidget;
                panel.content.activeCellIndex = index;
                void window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            index,
        )

    def save(self) -> None:
        """Save the notebook and wait until it is."""
        self.command("docmanager:save")
        expect(self.page.locator(".jp-mod-dirty")).to_have_count(0)

    def command(self, name: str) -> None:
        """Run a command of JupyterLab's palette."""
        self.page.evaluate("name => { void window.jupyterapp.commands.execute(name) }", name)

    def restart_kernel(self) -> None:
        """Restart the notebook's kernel, as the menu does after its question."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        self.wait_for_kernel()

    def cell_is_running(self, index: int) -> bool:
        """Whether a cell's prompt shows that it runs."""
        prompt = self.page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-InputPrompt")
        return prompt.inner_text().strip() == "[*]:"

    def theme(self, name: str) -> None:
        """`JupyterLab Light` or `JupyterLab Dark`."""
        self.page.evaluate(
            "async name => { await window.jupyterapp.commands.execute('apputils:change-theme', { theme: name }) }", name
        )
        dark = "false" if "Dark" in name else "true"
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-light", dark)
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)  # it covers the page while the theme loads
