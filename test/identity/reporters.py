"""Error reporters: each gets an exception as through its own hook, and returns everything that it shows."""

import io
import json
import traceback
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

import honeybadger.config
import honeybadger.payload
import rich.console
import rich.traceback
import rollbar
import sentry_sdk.serializer
import sentry_sdk.utils
import stackprinter
import traceback_with_variables

Triple = tuple[type[BaseException], BaseException, TracebackType | None]


def triple(error: BaseException) -> Triple:
    """Return an exception as `sys.exc_info` does."""
    return type(error), error, error.__traceback__


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception with all its causes and contexts."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and link not in found:
            found.append(link)
            waiting += [link.__cause__, link.__context__]
    return found


def frames(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of all tracebacks of an exception."""
    for link in chain(error):
        trace = link.__traceback__
        while trace is not None:
            yield trace.tb_frame
            trace = trace.tb_next


def _python(error: BaseException) -> str:
    return "".join(traceback.TracebackException(*triple(error), capture_locals=True).format())


def _json(error: BaseException) -> str:
    return json.dumps([frame.f_locals for frame in frames(error)], default=repr, skipkeys=True)


def _slots(error: BaseException) -> str:
    """Look into the slots and attributes of every local variable, and of what it finds there."""
    told = []
    for frame in frames(error):
        waiting = [(value, 0) for value in frame.f_locals.values()]
        while waiting:
            value, depth = waiting.pop()
            told.append(repr(value))
            names = [*vars(value)] if hasattr(value, "__dict__") and not isinstance(value, type) else []
            for kind in type(value).__mro__:
                slots = vars(kind).get("__slots__", ())
                names += [slots] if isinstance(slots, str) else list(slots)
            if depth < 3 and type(value).__module__.startswith("oxide"):
                waiting += [(getattr(value, name, None), depth + 1) for name in names if name != "__dict__"]
    return "\n".join(told)


def _rich(error: BaseException) -> str:
    shown = rich.traceback.Traceback.from_exception(
        *triple(error),
        show_locals=True,
        locals_max_length=1000,
        locals_max_string=10**6,
        locals_hide_dunder=False,
        locals_hide_sunder=False,
    )
    file = io.StringIO()
    rich.console.Console(file=file, width=10**4).print(shown)
    return file.getvalue()


def _traceback_with_variables(error: BaseException) -> str:
    shown = traceback_with_variables.Format(max_value_str_len=10**6, max_exc_str_len=10**6)
    return "\n".join(traceback_with_variables.iter_exc_lines(error, fmt=shown))


def _stackprinter(error: BaseException) -> str:
    return str(stackprinter.format(error, truncate_vals=10**6, suppressed_vars=[]))


def _rollbar(error: BaseException) -> str:
    payloads: list[Any] = []

    def keep(payload: Any, **_: Any) -> bool:
        payloads.append(payload)
        return False

    rollbar.init("0" * 32, "test", handler="blocking", allow_logging_basic_config=False)
    events: Any = rollbar.events
    events.reset()
    events.add_payload_handler(keep)
    rollbar.report_exc_info(triple(error))
    assert payloads
    return json.dumps(payloads, default=repr)


def _honeybadger(error: BaseException) -> str:
    settings = honeybadger.config.Configuration(report_local_variables=True, api_key="0" * 8)
    payload = honeybadger.payload.create_payload(error, config=settings)
    return json.dumps(payload, cls=honeybadger.utils.StringReprJSONEncoder)


def _sentry(error: BaseException) -> str:
    client = sentry_sdk.Client(
        dsn=None, default_integrations=False, max_value_length=10**6, include_local_variables=True
    )
    event: Any
    event, _ = sentry_sdk.utils.event_from_exception(triple(error), client_options=client.options)
    return json.dumps(sentry_sdk.serializer.serialize(event, max_value_length=10**6))


REPORTERS: dict[str, Callable[[BaseException], str]] = {
    "Python's traceback with locals": _python,
    "JSON of the locals": _json,
    "slots and attributes": _slots,
    "rich": _rich,
    "traceback-with-variables": _traceback_with_variables,
    "stackprinter": _stackprinter,
    "Rollbar": _rollbar,
    "Honeybadger": _honeybadger,
    "Sentry": _sentry,
}


def of_package(error: BaseException, package: str) -> BaseException:
    """Return the exception without the frames of the test, which may hold the planted secrets."""
    for link in chain(error):
        trace = link.__traceback__
        while trace is not None and not trace.tb_frame.f_code.co_filename.startswith(package):
            trace = trace.tb_next
        link.__traceback__ = trace
    return error


def as_error(stack: list[FrameType]) -> BaseException:
    """Return an exception with the traceback of running frames, innermost first."""
    trace: TracebackType | None = None
    for frame in stack:
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno or 1)
    return RuntimeError("looked at").with_traceback(trace)
