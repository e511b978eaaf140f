"""Kernels of the store's tests, in processes of their own: `python -m tests.store.kernel VERB FILE CONVERSATION`.

They say what they have done, line by line, each line after the store's method has returned.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from convoscope_jupyter.messages import Conversation
from convoscope_jupyter.store import Store, open_store
from tests.store.building import answered, new_conversation, new_turn


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")  # in one piece, whenever the kernel is killed
    sys.stdout.flush()


def commit(store: Store, conversation: Conversation) -> None:
    """25 turns, two commits each, in a conversation that two processes share."""
    for _ in range(25):
        turn = new_turn()
        store.begin_turn(conversation, turn)
        store.finish_turn(conversation.id, answered(turn))
        say("finished", turn.id)


def answer(store: Store, conversation: Conversation) -> None:
    """Turn after turn, each streamed in 20 pieces, until killed."""
    while True:
        turn = new_turn()
        store.begin_turn(conversation, turn)
        say("begun", turn.id)
        partial = store.open_partial(conversation.id, turn.id)
        for n in range(20):
            partial.append(0, text=f"{n} ")
            say("appended", turn.id, n)
        store.finish_turn(conversation.id, answered(turn, "".join(f"{n} " for n in range(20))))
        partial.close(folded=True)
        say("finished", turn.id)


def be_born_and_killed(store: Store, conversation: Conversation) -> None:
    """Each time it is told, a new kernel that answers until killed. Forked from this one, which is quicker."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            say("born", os.getpid())
            answer(store, conversation)
        os.waitpid(child, 0)
        say("dead")


def hold(store: Store, conversation: Conversation) -> None:
    """Half an answer, then wait; when told, the other half."""
    turn = new_turn()
    partial = store.open_partial(conversation.id, turn.id)
    store.begin_turn(conversation, turn)
    partial.append(0, text="Half ", reasoning="Hm. ")
    say("begun", turn.id)
    sys.stdin.readline()
    partial.append(0, text="whole.")
    store.finish_turn(conversation.id, answered(turn, "Half whole."))
    partial.close(folded=True)
    say("finished", turn.id)


def fork(store: Store, conversation: Conversation) -> None:
    """Half an answer, then a fork, in which the child asks on its own while the parent goes on."""
    turn = new_turn()
    store.begin_turn(conversation, turn)
    partial = store.open_partial(conversation.id, turn.id)
    partial.append(0, text="Half ")
    child = os.fork()
    if child == 0:
        partial.append(0, text="not mine")
        partial.close(folded=True)  # not the child's to delete
        turn = new_turn("From the child")
        store.begin_turn(conversation, turn)
        store.finish_turn(conversation.id, answered(turn))
        store.close()
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    say("child", os.waitstatus_to_exitcode(status))
    say("recovered", *store.recover())
    partial.append(0, text="whole.")
    say("begun", turn.id)
    sys.stdin.readline()
    store.finish_turn(conversation.id, answered(turn, "Half whole."))
    say("finished", turn.id)


def fork_and_die(store: Store, conversation: Conversation) -> None:
    """Half an answer, then a fork, whose child outlives the kernel."""
    turn = new_turn()
    store.begin_turn(conversation, turn)
    store.open_partial(conversation.id, turn.id).append(0, text="Half ")
    if os.fork() != 0:
        sys.stdin.readline()
    say("begun", turn.id)
    sys.stdin.readline()


def main(verb: str, place: str, conversation_id: str) -> None:
    conversation = replace(new_conversation(), id=conversation_id)
    verbs = {
        "commit": commit,
        "be_born_and_killed": be_born_and_killed,
        "hold": hold,
        "fork": fork,
        "fork_and_die": fork_and_die,
    }
    verbs[verb](open_store(place), conversation)


if __name__ == "__main__":
    main(*sys.argv[1:])
