"""F31-F34, F42-F44: odd ways of sending a good answer."""

from __future__ import annotations

from tests.faults.checks import check_alone, check_with_a_next_one
from tests.faults.rows import each
from tests.faults.table import ODD_BYTES, Fault
from tests.faults.world import World
from tests.support.wires import Wire


@each(ODD_BYTES)
def test_alone_it_is_told_and_retried_as_the_table_says(world: World, fault: Fault, wire: Wire) -> None:
    check_alone(world, fault, wire)


@each(ODD_BYTES)
def test_nobody_else_is_asked(world: World, fault: Fault, wire: Wire) -> None:
    check_with_a_next_one(world, fault, wire)
