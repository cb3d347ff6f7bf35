from local.mixpanel_simulator.rate_limit import RollingMinute


def take(minute: RollingMinute, now_s: float, events: int, size_bytes: int = 1) -> bool:
    """Take against limits of 10 events and 100 bytes."""
    return minute.take(now_s, events=events, size_bytes=size_bytes, events_limit=10, bytes_limit=100)


def test_limit_can_be_filled_and_not_passed() -> None:
    """The last event fits, one more does not."""
    minute = RollingMinute()

    assert take(minute, 0, 10)
    assert not take(minute, 59.9, 1)


def test_room_comes_back_as_the_minute_rolls_on() -> None:
    """Each request frees its own share 60 s after it came, not at the turn of a minute."""
    minute = RollingMinute()
    take(minute, 0, 4)
    take(minute, 30, 6)

    assert not take(minute, 59.9, 4)
    assert take(minute, 60, 4)
    assert not take(minute, 60, 1)
    assert take(minute, 90, 6)


def test_bytes_are_limited_too() -> None:
    """With events to spare."""
    minute = RollingMinute()

    assert take(minute, 0, 1, size_bytes=100)
    assert not take(minute, 0, 1, size_bytes=1)


def test_refused_request_takes_nothing() -> None:
    """A smaller one still fits."""
    minute = RollingMinute()

    assert not take(minute, 0, 11)
    assert take(minute, 0, 10)
