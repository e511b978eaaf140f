"""F22-F24, F26, F30, F37, F38, F41, F45, F47: an answer that begins well, and holds no text."""

from __future__ import annotations

from tests.faults.checks import check_alone, check_passing, check_with_a_next_one
from tests.faults.rows import each, is_retried
from tests.faults.table import BEFORE_THE_FIRST_TEXT, Fault
from tests.faults.world import World
from tests.support.wires import Wire


@each(BEFORE_THE_FIRST_TEXT)
def test_alone_it_is_told_and_retried_as_the_table_says(world: World, fault: Fault, wire: Wire) -> None:
    check_alone(world, fault, wire)


@each(BEFORE_THE_FIRST_TEXT)
def test_the_next_model_answers_at_once(world: World, fault: Fault, wire: Wire) -> None:
    check_with_a_next_one(world, fault, wire)


@each(BEFORE_THE_FIRST_TEXT, is_retried)
def test_when_it_passes_the_same_model_answers(world: World, fault: Fault, wire: Wire) -> None:
    check_passing(world, fault, wire)
