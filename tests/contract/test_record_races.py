"""What `ports.Records` promises to many at once, over every store."""

from collections.abc import Sequence

from pipeline.changes import Absent, Change, Compare, RefusedError, Update
from pipeline.ports import Records
from tests.contract.conftest import at_once
from tests.contract.rows import THREADS, fresh, put, stored


def test_sixteen_threads_count_exactly(records: Records) -> None:
    key = fresh("position")
    drawn = at_once(THREADS, lambda _: [records.update(Update(key, add={"next": 1}))["next"] for _ in range(10)])
    assert sorted(number for numbers in drawn for number in numbers) == list(range(1, THREADS * 10 + 1))


def test_one_of_sixteen_creates_the_row(records: Records) -> None:
    for _ in range(5):
        change = put(fresh(), Absent("task"), v=1)
        assert winners(records, [change]) == 1


def test_one_of_sixteen_moves_a_version_on(records: Records) -> None:
    key, other = stored(records, fresh(), version=0), fresh()
    for version in range(5):
        step: list[Change] = [
            Update(key, Compare("version", "=", version), set={"version": version + 1}),
            Update(other, add={"moves": 1}),
        ]
        assert winners(records, step) == 1
    assert records.get(other) == {"moves": 5} | other.attributes


def test_transactions_on_the_same_rows_lose_nothing(records: Records) -> None:
    here, there = fresh(), fresh()

    def work(_: int) -> None:
        for _ in range(10):
            records.write([Update(here, add={"n": 1}), Update(there, add={"n": -1})])

    at_once(8, work)
    assert records.get(here) == {"n": 80} | here.attributes
    assert records.get(there) == {"n": -80} | there.attributes


def winners(records: Records, changes: Sequence[Change]) -> int:
    """How many of sixteen threads were not refused the changes they all tried at once."""

    def won(_: int) -> bool:
        try:
            records.write(changes)
        except RefusedError:
            return False
        return True

    return at_once(THREADS, won).count(True)
