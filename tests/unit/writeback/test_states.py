"""The states of a written file: nothing happens that the table does not have."""

from __future__ import annotations

import itertools

import pytest

from assetfs.writeback.states import AFTER_CRASH, TRANSITIONS, Event, State, after

OWED = {State.DIRTY, State.QUEUED, State.UPLOADING, State.FAILED}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)), ids=lambda value: value.value)
def test_an_event_has_its_transition_or_is_a_fault(state: State, event: Event) -> None:
    if (state, event) in TRANSITIONS:
        assert after(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(KeyError):
            after(state, event)


def test_every_state_is_reached_from_a_new_file_and_left_again() -> None:
    reached, before = {State.DIRTY}, set[State]()
    while reached != before:
        before = set(reached)
        reached |= {to for (from_, _), to in TRANSITIONS.items() if from_ in before}
    assert reached == set(State)
    assert {from_ for (from_, _), to in TRANSITIONS.items() if to is not from_} == set(State)


def test_writing_and_renaming_are_always_possible() -> None:
    for state in State:
        assert after(state, Event.WRITTEN) is State.DIRTY
        assert {after(state, Event.RENAMED), after(state, Event.RENAMED_LOCAL)} <= set(State)


def test_only_what_is_queued_starts_and_only_the_server_or_a_person_ends_it() -> None:
    assert {state for state, event in TRANSITIONS if event is Event.STARTED} == {State.QUEUED}
    assert {state for state, event in TRANSITIONS if event in (Event.REFUSED, Event.KEPT)} == {State.UPLOADING}


def test_after_a_crash_nothing_owed_is_forgotten() -> None:
    assert set(AFTER_CRASH) == set(State)
    assert State.UPLOADING not in AFTER_CRASH.values()
    assert State.DIRTY not in AFTER_CRASH.values()
    for state in OWED:
        assert AFTER_CRASH[state] in OWED
