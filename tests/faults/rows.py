"""Runs a test for each row of the table, on each wire format that the row names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.faults.table import Fault


def each(faults: Sequence[Fault], only: Callable[[Fault], bool] = lambda _: True) -> pytest.MarkDecorator:
    """One test for each fault and wire."""
    rows = [
        pytest.param(fault, wire, id=f"{fault.name}-{wire.name}")
        for fault in faults
        if only(fault)
        for wire in fault.wires
    ]
    return pytest.mark.parametrize(("fault", "wire"), rows)


def is_retried(fault: Fault) -> bool:
    """A fault that may pass."""
    return fault.retries > 0
