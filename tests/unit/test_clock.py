"""The store's clock, from replies that tell whole seconds."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters import clock as module
from pipeline.adapters.clock import StoreClock

SKEW = 300_000


class Network:
    """A store `SKEW` ms ahead of our monotonic clock, which a reply takes some ms to come from."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000
        self.skew = SKEW
        self.clock = StoreClock()
        monkeypatch.setattr(module, "monotonic", lambda: self.now)

    def reply(self, out: int = 5, back: int = 5, after: int = 0) -> None:
        self.now += after
        sent = self.now
        self.now += out
        stamp = formatdate((self.now + self.skew) // 1000, usegmt=True)
        self.now += back
        self.clock.observe(sent, {"date": stamp})

    def error(self) -> int:
        """How far the clock is ahead of the store's, ms."""
        told = self.clock.now()
        assert told is not None
        return told - (self.now + self.skew)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


def test_before_the_first_reply_it_does_not_know(network: Network) -> None:
    assert network.clock.now() is None
    network.clock.observe(0, {})
    network.clock.observe(0, {"date": "no date"})
    assert network.clock.now() is None


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 3000)), min_size=1, max_size=50))
def test_it_is_never_ahead_and_never_a_second_and_the_reply_behind(replies: list[tuple[int, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        network = Network(patch)
        for out, back, after in replies:
            network.reply(out, back, after)
            assert -1000 - back <= network.error() <= 0


def test_many_replies_pin_it_down(network: Network) -> None:
    for _ in range(200):
        network.reply(after=137)
    assert -20 <= network.error() <= 0


def test_a_slow_reply_teaches_little_and_spoils_nothing(network: Network) -> None:
    for _ in range(200):
        network.reply(after=137)
    network.reply(out=3000, back=4000)
    assert -20 <= network.error() <= 0


@pytest.mark.parametrize("jump", [-3_600_000, 3_600_000])
def test_a_suspended_machine_is_put_right_by_the_next_reply(network: Network, jump: int) -> None:
    network.reply()
    network.skew += jump
    network.reply()
    assert abs(network.error()) <= 1010


def test_it_follows_a_drift(network: Network) -> None:
    for _ in range(500):
        network.skew += 1
        network.reply(after=1037)
        assert abs(network.error()) <= 1010
