"""What a person does with a notebook that Voila serves as an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.chat_page import CHAT_CELL, Chat, HostPage
from tests.support.voila_server import VoilaServer

if TYPE_CHECKING:
    from playwright.sync_api import Page


class VoilaPage(HostPage):
    """A served notebook in the browser.

    Args:
        page: An empty page.
        server: The server.
    """

    def __init__(self, page: Page, server: VoilaServer) -> None:
        super().__init__(page)
        self.server = server

    def open_chat(self, name: str, route: str, query: str = "") -> Chat:
        """Serve a notebook with a chat, and open it."""
        self.page.goto(self.server.publish(name, CHAT_CELL.format(route=route)) + query)
        return self.chat().when_ready()
