"""F01-F04: no request arrives, or nobody answers it."""

from __future__ import annotations

from tests.faults.checks import check_alone, check_with_a_next_one
from tests.faults.rows import each
from tests.faults.table import BEFORE_THE_CONNECTION, Fault
from tests.faults.world import World
from tests.support.wires import Wire


@each(BEFORE_THE_CONNECTION)
def test_alone_it_is_told_and_retried_as_the_table_says(world: World, fault: Fault, wire: Wire) -> None:
    check_alone(world, fault, wire)


@each(BEFORE_THE_CONNECTION)
def test_the_next_model_answers_at_once(world: World, fault: Fault, wire: Wire) -> None:
    check_with_a_next_one(world, fault, wire)
