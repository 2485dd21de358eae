"""What tests start ends with them, however they end."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import gone
from tests.serving import wait_for
from tests.started import started

TREE = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""
"""Prints the pid of its child."""

KILLED = f"""
import time
from tests.started import started
with started(["{sys.executable}", "-c", '''{TREE}'''], grace=0):
    time.sleep(600)
"""


@pytest.mark.parametrize("grace", [0, 1])
def test_the_whole_group_ends_with_the_context(grace: float) -> None:
    with started([sys.executable, "-c", TREE], grace=grace, stdout=subprocess.PIPE) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        assert not gone(child)
    process.stdout.close()
    assert process.returncode < 0
    wait_for(lambda: gone(child))


def test_the_group_ends_when_whoever_started_it_is_killed() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", KILLED], cwd=root, stdout=subprocess.PIPE) as test:
        assert test.stdout
        child = int(test.stdout.readline())
        assert not gone(child)
        test.kill()
    wait_for(lambda: gone(child))
