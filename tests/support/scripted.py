"""A provider that plays scripts: for what no server can be made to do, and for exact order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from convoscope_jupyter.messages import TextDelta, Usage
from convoscope_jupyter.providers._base import ChatRequest, Chunk, Finished, ProviderStatus, Started

Step = Chunk | Exception | float | asyncio.Event
"""What to yield, what to raise, how many seconds to wait, or what to wait for."""

STOP = Finished(finish_reason="stop", raw_finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=2))
OK: tuple[Step, ...] = (
    Started(response_id="r1", response_model="good-2026", request_id="req1"),
    TextDelta(text="Hel"),
    TextDelta(text="lo"),
    STOP,
)


class Scripted:
    """A provider whose every call to a model plays that model's next script; the last one is repeated.

    Args:
        scripts: Scripts by model name.
    """

    is_local = False
    host: str | None = None

    def __init__(self, **scripts: Sequence[Sequence[Step]]) -> None:
        self.scripts = {model: list(plays) for model, plays in scripts.items()}
        self.requests: list[ChatRequest] = []
        self.closed: list[str] = []
        self.listed: list[str] = []
        self.list_error: Exception | None = None

    @property
    def asked(self) -> list[str]:
        return [request.model for request in self.requests]

    def status(self, name: str) -> ProviderStatus:
        return ProviderStatus(name=name, ready=True, key_source=None, host=self.host, remedy=None)

    def endpoint(self, name: str, model: str) -> str:
        del model
        return f"{name} {self.host or ''}"

    def load(self) -> None:
        """Nothing to import."""

    async def list_models(self, name: str) -> tuple[str, ...]:
        self.listed.append(name)
        if self.list_error is not None:
            raise self.list_error
        return tuple(sorted(self.scripts))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        self.requests.append(request)
        plays = self.scripts[request.model]
        steps = plays.pop(0) if len(plays) > 1 else plays[0]
        try:
            for step in steps:
                match step:
                    case Exception():
                        raise step
                    case float():
                        await asyncio.sleep(step)
                    case asyncio.Event():
                        await step.wait()
                    case _:
                        yield step
        finally:
            self.closed.append(request.model)
