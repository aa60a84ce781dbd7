"""The system's time, and times in the form that the service writes."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the system's time."""
    return datetime.now(UTC)


def wire_time(moment: datetime) -> str:
    """Return an aware `moment` in RFC 3339, in UTC with `Z`.

    The second has 0, 3 or 6 decimal digits: the fewest that lose nothing.
    """
    if moment.tzinfo is None:
        message = "the clock must return times with a time zone"
        raise ValueError(message)
    moment = moment.astimezone(UTC)
    text = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    if moment.microsecond == 0:
        return f"{text}Z"
    if moment.microsecond % 1000 == 0:
        return f"{text}.{moment.microsecond // 1000:03}Z"
    return f"{text}.{moment.microsecond:06}Z"
