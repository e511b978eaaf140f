"""The table is whole: no fault is missing, and none leaves out a wire format without saying why."""

from __future__ import annotations

from collections import Counter

from tests.faults.table import TABLE, WIRES
from tests.support.every_wire import WIRES as ALL_WIRES
from tests.support.gemini_wire import FORMER_GOOGLE


def test_every_fault_is_there() -> None:
    assert {f"F{number:02}" for number in range(1, 52)} == {fault.id for fault in TABLE}


def test_no_row_is_there_twice() -> None:
    names = Counter((fault.phase, fault.name) for fault in TABLE)

    assert [] == [name for name, count in names.items() if count > 1]


def test_every_fault_names_its_wires_and_says_why_others_are_left_out() -> None:
    names = {wire.name for wire in WIRES}
    for fault in TABLE:
        assert names == {wire.name for wire in fault.wires} | set(fault.left_out)
        assert all(len(reason.split()) > 5 for reason in fault.left_out.values())


def test_every_fault_is_met_on_every_wire_in_one_row_at_least() -> None:
    for id_ in {fault.id for fault in TABLE}:
        met = {wire.name for fault in TABLE if fault.id == id_ for wire in fault.wires}
        missing = {wire.name for wire in WIRES} - met
        assert missing <= {"google"} if id_ == "F43" else not missing


def test_only_the_former_sdk_of_google_is_no_wire_of_the_table() -> None:
    assert [FORMER_GOOGLE] == [wire for wire in ALL_WIRES if wire not in WIRES]


def test_every_fault_says_what_happens_to_the_user() -> None:
    for fault in TABLE:
        told_elsewhere = fault.kind in {None, "cancelled"} or fault.id == "F49"
        assert told_elsewhere or fault.says
