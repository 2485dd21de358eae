"""How many parts are under way, against S3s of every kind, in simulated time."""

import asyncio
import heapq
from collections.abc import Callable

import pytest

from ingest.lanes import NEAR, Lane
from ingest.pace import START, Pace

MB = 1_000_000
PART = 5 * MB

Speed = Callable[[int], float]
"""Bytes/s of one part while so many are under way."""


def shared(rate: float) -> Speed:
    """A line that all parts share."""
    return lambda flying: rate / flying


def each(rate: float, most: float = 1e12) -> Speed:
    """Connections of so much each, and of so much in all."""
    return lambda flying: min(rate, most / flying)


async def simulated(speed: Speed, parts: int, uploads: int = 8) -> tuple[Pace, list[int]]:
    """Send so many parts for eager clients; returns the limits after each landing."""
    pace, limits = Pace(24), []
    now, left = 0.0, parts
    flights: list[tuple[float, float, int, int]] = []  # bytes still to go, when it began, beside how many, its number
    turns: list[asyncio.Task[None]] = []
    release: dict[int, asyncio.Event] = {}
    entered: list[tuple[int, int]] = []

    async def fly(number: int) -> None:
        await pace.enter(number, last=False)
        entered.append((pace.flying, number))
        release[number] = asyncio.Event()
        await release[number].wait()

    number = 0
    while left or not all(turn.done() for turn in turns[-64:]):
        while left and sum(not turn.done() for turn in turns[-64:]) < 4 * uploads:
            turns.append(asyncio.create_task(fly(number)))
            number, left = number + 1, left - 1
        for _ in range(5):
            await asyncio.sleep(0)
        while entered:
            heapq.heappush(flights, (PART, now, *entered.pop(0)))
        if not flights:  # tasks have yet to end
            continue
        rate = speed(len(flights))
        nearest = flights[0][0]
        now += nearest / rate
        flights = [(to_go - nearest, begun, beside, which) for to_go, begun, beside, which in flights]
        _, begun, beside, which = heapq.heappop(flights)
        pace.landed(PART, beside, begun, now)
        pace.leave()
        release[which].set()
        limits.append(pace.limit)
    await asyncio.gather(*turns)
    return pace, limits


@pytest.mark.parametrize(
    ("speed", "low", "high"),
    [
        (shared(20 * MB), 1, 3),  # more at once would only wait
        (shared(5 * MB), 1, 3),
        (shared(1000 * MB), 20, 24),  # each lands at once
        (each(5 * MB), 18, 24),  # far away: each is slow, and all together are not
        (each(5 * MB, 40 * MB), 6, 12),
    ],
    ids=["shared", "slow", "fast", "far", "far and shared"],
)
def test_the_limit_finds_what_s3_takes(speed: Speed, low: float, high: float) -> None:
    _, limits = asyncio.run(simulated(speed, 1500))
    late = sorted(limits[500:])
    assert low <= late[len(late) // 2] <= high, late[:: len(late) // 10]


def test_clients_that_are_slow_teach_nothing() -> None:
    async def one_by_one() -> int:
        pace = Pace(24)
        for _ in range(100):
            async with pace.slot(PART, 1, last=False):
                await asyncio.sleep(0)
        return pace.limit

    assert asyncio.run(one_by_one()) == START


async def in_turn(pace: Pace, *flights: tuple[str, int, bool]) -> list[str]:
    """The names of parts in the order in which they fly: of each its upload, and whether its client waits."""
    order: list[str] = []

    async def fly(name: str, upload: int, *, last: bool) -> None:
        async with pace.slot(PART, upload, last=last):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(fly(name, upload, last=last) for name, upload, last in flights))
    return order


def test_whose_client_waits_goes_first_and_then_the_older() -> None:
    flights = (("first", 9, False), ("young", 3, False), ("old", 1, False), ("last", 5, True))
    assert asyncio.run(in_turn(Pace(1), *flights)) == ["first", "last", "old", "young"]


def test_nobody_is_passed_for_ever() -> None:
    flights = (("first", 9, False), ("patient", 8, False), ("old", 1, False), ("last", 5, True))
    assert asyncio.run(in_turn(Pace(1, longest=0), *flights)) == ["first", "patient", "old", "last"]


def test_an_upload_near_its_end_goes_before_older_ones_with_what_waits_of_it_too() -> None:
    async def scenario() -> tuple[list[str], list[bool]]:
        pace, order = Pace(1), []
        lanes = {name: Lane(pace) for name in ("old", "middle", "young")}

        async def fly(name: str) -> None:
            async with lanes[name].slot(PART):
                order.append(name)
                await asyncio.sleep(0)

        async with pace.slot(PART, 9, last=False):
            flights = [asyncio.create_task(fly(name)) for name in lanes]
            await asyncio.sleep(0)
            lanes["middle"].came(PART, 10 * NEAR)
            lanes["young"].came(PART, None)
            before = lanes["young"].room
            lanes["young"].came(9 * NEAR, 10 * NEAR)
            rooms = [before, lanes["young"].room, lanes["old"].room]
        await asyncio.gather(*flights)
        return order, rooms

    order, rooms = asyncio.run(scenario())
    assert order == ["young", "old", "middle"]
    assert rooms == [False, False, False]  # one of its own waits for its turn already


def test_the_first_of_those_near_their_end_may_wait_with_a_part() -> None:
    async def scenario() -> list[bool]:
        pace = Pace(1)
        late, other = Lane(pace), Lane(pace)
        late.hurry()
        async with other.slot(PART):
            return [late.room, other.room]

    assert asyncio.run(scenario()) == [True, False]


def test_who_gives_up_waiting_takes_nobodys_turn() -> None:
    async def scenario() -> None:
        pace = Pace(1)
        async with pace.slot(PART, 1, last=False):
            waiting = [asyncio.create_task(pace.enter(number, last=False)) for number in (2, 3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            await asyncio.sleep(0)
        await asyncio.wait_for(waiting[1], 5)
        assert pace.flying == 1
        given = asyncio.create_task(pace.enter(4, last=False))
        await asyncio.sleep(0)
        pace.leave()
        given.cancel()  # just as its turn came
        await asyncio.wait([given])
        assert pace.flying == 0

    asyncio.run(scenario())
