"""What is SQLite's alone: many processes on one file, and what was acknowledged surviving them."""

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from pipeline.adapters import sqlite
from pipeline.adapters.sqlite import MEMORY, SqliteRecords
from pipeline.changes import Absent, Key, Put, RefusedError, Row, Update
from pipeline.errors import UnavailableError
from tests.contract.conftest import at_once
from tests.serving import wait_for

COUNTER = Key("tasks", "project#p", "position")
ROOT = Path(__file__).parents[2]

COUNT = """
import sys
from pipeline.adapters.sqlite import SqliteRecords
from pipeline.changes import Key, Update
records = SqliteRecords(sys.argv[1])
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    print(records.update(Update(Key("tasks", "project#p", "position"), add={"next": 1}))["next"], flush=True)
"""


def process(path: Path, times: int) -> subprocess.Popen[str]:
    """Another process that counts, once it is told to, and acknowledges each number."""
    argv = [sys.executable, "-c", COUNT, str(path), str(times)]
    return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_open_one_new_file_at_once_and_count_exactly(tmp_path: Path) -> None:
    children = [process(tmp_path / "records.db", 50) for _ in range(4)]
    outputs = at_once(4, lambda number: children[number].communicate("go\n", timeout=120)[0])
    assert [child.returncode for child in children] == [0] * 4
    assert sorted(int(line) for output in outputs for line in output.split()) == list(range(1, 201))


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    for _ in range(3):
        child = process(tmp_path / "records.db", 1_000_000)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("go\n")
        child.stdin.flush()
        first = int(child.stdout.readline())
        deadline = time.monotonic() + 0.3
        last = first
        while time.monotonic() < deadline:
            last = int(child.stdout.readline())
        child.kill()
        last = max([last, *map(int, child.stdout.read().split())])
        child.stdin.close()
        child.stdout.close()
        child.wait(30)
        found = SqliteRecords(tmp_path / "records.db").get(COUNTER)
        assert found is not None
        assert last <= found["next"] <= last + 1  # one may have been committed and not told


def test_commits_are_flushed_to_the_disk(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.db")
    with records._connection() as connection:  # noqa: SLF001 - only the connection knows
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_that_stays_locked_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.2)
    records = SqliteRecords(tmp_path / "records.db")
    records.update(Update(COUNTER, add={"next": 1}))
    holder = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="locked"):
        records.update(Update(COUNTER, add={"next": 1}))
    with pytest.raises(UnavailableError):
        records.ping()
    assert records.get(COUNTER) == {"next": 1} | COUNTER.attributes
    holder.execute("ROLLBACK")
    holder.close()
    assert records.update(Update(COUNTER, add={"next": 1}))["next"] == 2


def test_a_file_out_of_reach_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        SqliteRecords(tmp_path / "missing" / "records.db").ping()


def test_a_writer_waits_for_another(tmp_path: Path) -> None:
    records, begun = SqliteRecords(tmp_path / "records.db"), Event()
    records.ping()

    def hold() -> None:
        with sqlite3.connect(tmp_path / "records.db", isolation_level=None) as holder:
            holder.execute("BEGIN IMMEDIATE")
            begun.set()
            time.sleep(0.5)
            holder.execute("ROLLBACK")
        holder.close()

    thread = Thread(target=hold)
    thread.start()
    begun.wait(10)
    assert records.update(Update(COUNTER, add={"next": 1}))["next"] == 1
    thread.join()


def test_those_who_write_together_share_a_commit_and_each_has_an_outcome_of_its_own(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.db")
    statements: list[str] = []
    records.update(Update(COUNTER, add={"next": 1}))
    records._idle[0].set_trace_callback(statements.append)  # noqa: SLF001 - only the connection knows
    rows: dict[str, Row] = {f"row-{number}": {"number": number} for number in range(6)}
    changes = [Put(Key("tasks", "media_1", name), row, Absent("task")) for name, row in rows.items()]
    spoilt = Put(Key("tasks", "media_1", "spoilt"), {"number": float("nan")}, Absent("task"))
    taken = Put(COUNTER, {"next": 7}, Absent("task"))
    outcomes: list[type[Exception] | None] = []

    def write(change: Put) -> None:
        try:
            records.write([change])
        except (RefusedError, ValueError) as error:
            outcomes.append(type(error))
        else:
            outcomes.append(None)

    holder = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    writers = [Thread(target=write, args=(change,)) for change in (*changes, spoilt, taken)]
    for writer in writers:
        writer.start()
    wait_for(lambda: len(records._turns) == len(writers))  # noqa: SLF001 - the first waits for the holder
    holder.execute("ROLLBACK")
    holder.close()
    for writer in writers:
        writer.join()
    assert statements.count("COMMIT") == 1
    assert Counter(outcomes) == {None: 6, ValueError: 1, RefusedError: 1}
    assert [row["task"] for row in records.tasks("media_1")] == sorted(rows)
    assert records.get(COUNTER) == {"next": 1} | COUNTER.attributes


def test_a_commit_that_fails_fails_for_all_who_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.5)
    records = SqliteRecords(tmp_path / "records.db")
    records.ping()
    holder = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    def write(_: int) -> bool:
        try:
            records.update(Update(COUNTER, add={"next": 1}))
        except UnavailableError:
            return False
        return True

    assert not any(at_once(8, write))
    assert not records._turns  # noqa: SLF001 - nobody is left to be committed later
    assert records.get(COUNTER) is None
    holder.execute("ROLLBACK")
    holder.close()
    assert at_once(8, write) == [True] * 8
    assert records.get(COUNTER) == {"next": 8} | COUNTER.attributes


@pytest.mark.parametrize("path", [MEMORY, "records.db"])
def test_expired_rows_go_and_no_others(path: str, tmp_path: Path) -> None:
    records = SqliteRecords(path if path == MEMORY else tmp_path / path)
    now = records.now() // 1000
    rows: dict[str, Row] = {"old": {"expiresAt": now - 1}, "new": {"expiresAt": now + 60}, "dead": {"status": "DEAD"}}
    for name, row in rows.items():
        records.write([Put(Key("tasks", "media_1", name), row, Absent("task"))])
    records.expire()
    assert [row["task"] for row in records.tasks("media_1")] == ["dead", "new"]


def test_writing_expires_rows_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_EXPIRY_CHANCE", 1.0)
    records = SqliteRecords(MEMORY)
    records.write([Put(Key("tasks", "media_1", "old"), {"expiresAt": 1}, Absent("task"))])
    assert records.tasks("media_1") == []


def test_a_file_from_before_an_index_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    old = SqliteRecords(path)
    old.write([Put(Key("tasks", "media_1", "poster"), {"deadShard": 3, "deadAt": 5}, Absent("task"))])
    old.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX dead")
    assert [row["task"] for row in SqliteRecords(path).dead(3)] == ["poster"]
