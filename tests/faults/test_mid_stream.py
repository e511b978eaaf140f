"""F25, F27-F30, F34-F36, F41: the answer breaks off after its first text, and nobody else goes on with it."""

from __future__ import annotations

from tests.faults.checks import check_alone, check_with_a_next_one
from tests.faults.rows import each
from tests.faults.table import MID_STREAM, Fault
from tests.faults.world import World
from tests.support.wires import Wire


@each(MID_STREAM)
def test_alone_it_is_told_and_retried_as_the_table_says(world: World, fault: Fault, wire: Wire) -> None:
    check_alone(world, fault, wire)


@each(MID_STREAM)
def test_nobody_goes_on_with_the_answer(world: World, fault: Fault, wire: Wire) -> None:
    check_with_a_next_one(world, fault, wire)
