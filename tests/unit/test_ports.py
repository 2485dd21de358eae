from ops import ports


def test_what_was_used_last_is_used_again() -> None:
    last = ports.pick(("s3", "valkey"), {})
    assert ports.pick(("s3", "valkey"), last) == last


def test_a_port_that_is_spoken_for_is_not_given_away() -> None:
    last = ports.pick(("s3",), {})
    assert ports.pick(("s3",), last, {last["s3"]})["s3"] != last["s3"]
    assert ports.pick(("s3",), last, {last["s3"] + ports.TWIN})["s3"] != last["s3"]
