"""The rows of a project: its positions, whether it is open, and its totals."""

from pipeline.changes import Absent, Key, Update


def next_position(project_id: str) -> Update:
    """Counts up the project's positions; the returned row's `next` is one more than the number drawn.

    Refused while the project is being deleted: nothing begins without a position.
    """
    return Update(positions(project_id), Absent("closedAt"), add={"next": 1})


def next_piece(project_id: str) -> Update:
    """Counts up the project's partial uploads, on the same terms."""
    return Update(positions(project_id), Absent("closedAt"), add={"pieces": 1})


def close_project(project_id: str, now: int) -> Update:
    """From now on no position is drawn in the project ..."""
    return Update(positions(project_id), set={"closedAt": now})


def open_project(project_id: str) -> Update:
    """... until now."""
    return Update(positions(project_id), remove=("closedAt",))


def totals_key(project_id: str) -> Key:
    """The row of a project's totals."""
    return Key("tasks", f"project#{project_id}", "totals")


def positions(project_id: str) -> Key:
    """The row that counts a project's positions: `next` is one more than the newest, `pieces` those below 0."""
    return Key("tasks", f"project#{project_id}", "position")
