import signal
import subprocess
import sys

import pytest

WAITS = """
import signal, sys, threading, time
from pipeline.adapters.signals import stop_event

def deliver(main):
    while sys._current_frames()[main].f_code.co_filename != threading.__file__:
        time.sleep(0.01)
    time.sleep(0.1)  # from there it is a few instructions to the system call that waits
    signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))
    threading.Event().wait()

stop = stop_event()
threading.Thread(target=deliver, args=[threading.get_ident()], daemon=True).start()
stop.wait()
"""
"""A process whose main thread waits, while another thread is handed the signal."""

BUSY = """
import sys, threading, time
from pipeline.adapters.signals import stop_event

stop = stop_event()
print("up", flush=True)
while not stop.wait(0):
    pass
"""
"""A process whose main thread is nearly always in the event's own code, where it holds the event's lock."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_counts_whichever_thread_gets_it(number: signal.Signals) -> None:
    done = subprocess.run([sys.executable, "-c", WAITS, str(int(number))], timeout=30, check=False)
    assert done.returncode == 0


def test_a_signal_in_the_midst_of_the_events_own_code_locks_nothing() -> None:
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout
                process.stdout.readline()
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            finally:
                process.kill()


def test_who_was_started_by_nohup_does_not_end_with_the_terminal() -> None:
    asked = "import signal, sys; sys.exit(signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN)"
    script = f"from pipeline.adapters.signals import stop_event; stop_event(); {asked}"
    shell = ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", sys.executable, "-c", script]
    assert subprocess.run(shell, timeout=30, check=False).returncode == 0
