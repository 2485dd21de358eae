"""Bodies that stop coming, end too soon or never end."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from ingest.bodies import Patience, chunks, small
from ingest.problems import ProblemError


def received(messages: Iterable[Message]) -> Receive:
    """What a server hands on; after the last message nothing ever comes."""
    left = iter(messages)

    async def receive() -> Message:
        message = next(left, None)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    return receive


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


async def whole(receive: Receive) -> bytes:
    return b"".join([chunk async for chunk in chunks(receive, Patience(idle=0.01))])


def test_a_body_ends_with_its_last_message() -> None:
    assert asyncio.run(whole(received([body(b"a", more=True), body(b"b")]))) == b"ab"


def test_a_client_that_falls_silent_is_given_up() -> None:
    with pytest.raises(ProblemError) as caught:
        asyncio.run(whole(received([body(b"a", more=True)])))
    assert (caught.value.code, caught.value.status) == ("request_timeout", 408)


def test_time_in_which_nobody_reads_is_not_the_clients() -> None:
    read: list[bytes] = []

    async def slowly() -> None:
        messages = [body(b"a", more=True), body(b"b", more=True)]
        async for chunk in chunks(received(messages), Patience(idle=0.02)):
            read.append(chunk)
            await asyncio.sleep(0.1)

    with pytest.raises(ProblemError) as caught:
        asyncio.run(asyncio.wait_for(slowly(), 20))
    assert caught.value.code == "request_timeout"
    assert read == [b"a", b"b"]


def test_whoever_is_cancelled_while_it_reads_is_cancelled() -> None:
    async def cancelled() -> None:
        reading = asyncio.create_task(whole(received([body(b"a", more=True)])))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(cancelled())


def test_a_client_that_leaves_is_told_apart() -> None:
    with pytest.raises(ClientDisconnect):
        asyncio.run(whole(received([body(b"a", more=True), {"type": "http.disconnect"}])))


def test_small_bodies_are_bounded() -> None:
    assert asyncio.run(small(received([body(b"ab")]), 2)) == b"ab"
    with pytest.raises(ProblemError) as caught:
        asyncio.run(small(received([body(b"ab", more=True), body(b"c", more=True)]), 2))
    assert caught.value.code == "body_too_large"


def test_a_client_that_trickles_is_given_up_in_the_end() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return body(b"a", more=True)

    async def endless() -> None:
        async for _ in chunks(receive, Patience(idle=5, total=0.05)):
            pass

    with pytest.raises(ProblemError) as caught:
        asyncio.run(asyncio.wait_for(endless(), 20))
    assert caught.value.code == "request_timeout"
