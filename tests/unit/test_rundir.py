import os
from pathlib import Path

import pytest

from ops.rundir import InUseError, RunDir, Stack

STACK = Stack("http://127.0.0.1:1", os.getpid(), {"S3_BUCKET": "media"})


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "run")


def test_a_folder_has_one_holder(run_dir: RunDir) -> None:
    with run_dir.held(), pytest.raises(InUseError, match="still starting"), run_dir.held():
        pass
    with run_dir.held():
        pass


def test_a_stack_is_found_while_it_is_announced(run_dir: RunDir) -> None:
    assert run_dir.running() is None
    with run_dir.held():
        assert run_dir.running() is None
        with run_dir.announced(STACK):
            assert run_dir.running() == STACK
            with pytest.raises(InUseError, match=f"answers at {STACK.url}"), run_dir.held():
                pass
        assert run_dir.running() is None


def test_the_note_of_a_killed_stack_counts_for_nothing(run_dir: RunDir) -> None:
    run_dir.path.mkdir()
    with run_dir.announced(STACK):  # but nobody holds the folder
        assert run_dir.running() is None


def test_credentials_are_made_up_once_and_for_their_owner(run_dir: RunDir) -> None:
    with run_dir.held():
        pair = run_dir.credentials()
    assert run_dir.credentials() == pair
    assert (run_dir.path / "credentials.json").stat().st_mode & 0o777 == 0o600


def test_scratch_is_emptied(run_dir: RunDir) -> None:
    with run_dir.held():
        (run_dir.scratch() / "left").touch()
        assert list(run_dir.scratch().iterdir()) == []


def test_remove_takes_nothing_that_is_not_ours(run_dir: RunDir) -> None:
    run_dir.path.mkdir()
    (run_dir.path / "precious").touch()
    run_dir.remove()
    assert (run_dir.path / "precious").exists()
    with run_dir.held():
        pass
    run_dir.remove()
    assert not run_dir.path.exists()
