"""What becomes of a file that was written here: a closed set of states, and the table of transitions between them.

    DIRTY       somebody has it open for writing
    QUEUED      closed; its upload waits for its time
    UPLOADING   on its way
    FAILED      the server will not take it; somebody has to retry, export or discard it
    LOCAL       never goes to the server: its name says so, or the server has those bytes once and keeps them so
    (gone)      the server has confirmed it, or it was deleted or discarded

The journal holds the state; nothing else decides what happens to a file. An event that the table does not have for a
state is a fault of ours, and raises.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    DIRTY = "dirty"
    QUEUED = "queued"
    UPLOADING = "uploading"
    FAILED = "failed"
    LOCAL = "local"


class Event(enum.Enum):
    WRITTEN = "written"
    """Opened for writing, written, or truncated."""
    CLOSED = "closed"
    """The last writer has left; the name is one that goes to the server."""
    CLOSED_LOCAL = "closed-local"
    """The last writer has left; the name is local only."""
    RENAMED = "renamed"
    """It has a name now that goes to the server, and nobody writes."""
    RENAMED_LOCAL = "renamed-local"
    STARTED = "started"
    PUT_OFF = "put-off"
    """A passing error, a cancelled upload, a crash in the middle."""
    REFUSED = "refused"
    """An error that will not pass by itself."""
    KEPT = "kept"
    """The server needs no copy of it."""
    RETRIED = "retried"
    """Somebody asked for another try."""


D, Q, U, F, L = State.DIRTY, State.QUEUED, State.UPLOADING, State.FAILED, State.LOCAL

TRANSITIONS: dict[tuple[State, Event], State] = {
    **{(state, Event.WRITTEN): D for state in State},
    (D, Event.CLOSED): Q,
    (D, Event.CLOSED_LOCAL): L,
    (D, Event.RENAMED): D,
    (D, Event.RENAMED_LOCAL): D,
    **{(state, Event.RENAMED): Q for state in (Q, U, F, L)},
    **{(state, Event.RENAMED_LOCAL): L for state in (Q, U, F, L)},
    (Q, Event.STARTED): U,
    (U, Event.PUT_OFF): Q,
    (U, Event.REFUSED): F,
    (U, Event.KEPT): L,
    (F, Event.RETRIED): Q,
    (Q, Event.RETRIED): Q,
}


def after(state: State, event: Event) -> State:
    """The state that follows. Raises KeyError for what cannot happen."""
    return TRANSITIONS[state, event]


AFTER_CRASH: dict[State, State] = {D: Q, Q: Q, U: Q, F: F, L: L}
"""What a state means to the next daemon: what was open is closed, what was on its way starts again."""
