"""What a person does in JupyterLab, in a few words each."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, Route, expect

from tests.support.jupyter_server import JupyterServer

PATIENCE_MS = 60_000
expect.set_options(timeout=20_000)  # a machine under load, and cells that run for seconds


class LabPage:
    """A browser page on a server's JupyterLab.

    Args:
        page: An empty page.
        server: The server.
    """

    def __init__(self, page: Page, server: JupyterServer) -> None:
        self.page, self.server = page, server
        self.refused: list[str] = []
        self.console_errors: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.route("**/*", self._refuse_other_hosts)
        page.on(
            "console", lambda message: self.console_errors.append(message.text) if message.type == "error" else None
        )

    def _refuse_other_hosts(self, route: Route) -> None:
        if urlsplit(route.request.url).hostname in {"127.0.0.1", "localhost", None}:
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()

    def open(self, notebook: str) -> None:
        """Open a notebook and wait until its kernel can run a cell."""
        self.page.goto(f"{self.server.url}/lab/tree/{notebook}?reset")
        self.wait_for_kernel()

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

    def chat(self, index: int = 0) -> Chat:
        """A chat on the page, the first one by default."""
        return Chat(self.page.locator(".convoscope").nth(index))


class Chat:
    """One chat, by what a person can read and press."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.page = root.page
        self.box = root.get_by_role("textbox", name="Question")
        self.log = root.get_by_role("log")
        self.send = root.get_by_role("button", name="Send")
        self.stop = root.get_by_role("button", name="Stop")

    def ask(self, text: str) -> None:
        """Type and press Enter, as soon as the chat takes a question."""
        self.box.click()
        self.box.fill(text)
        self.box.press("Enter")

    def wait_until_answered(self) -> None:
        """Until nothing is being written."""
        expect(self.send).to_be_visible(timeout=PATIENCE_MS)
