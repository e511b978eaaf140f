"""What a person does in Notebook 7: JupyterLab's parts and commands, one notebook to a page."""

from __future__ import annotations

from tests.support.lab_page import LabPage


class NotebookPage(LabPage):
    """A browser page on a server's Notebook 7.

    Args:
        page: An empty page.
        server: The server, with the application `notebook`.
    """

    def url_of(self, notebook: str) -> str:
        return f"{self.server.url}/notebooks/{notebook}"
