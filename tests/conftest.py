import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser tests last.

    Playwright's synchronous API keeps an event loop running in the main thread until its browser is closed, and no
    asyncio test can start a loop of its own meanwhile.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
