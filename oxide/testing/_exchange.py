"""Handles the requests of one connection in turn: records them, applies faults and sends responses."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from oxide.testing._application import Application, error_response
from oxide.testing._connection import LOGGER, Connection, ConnectionEnd
from oxide.testing._errors import ApiError
from oxide.testing._http_messages import Request, Response
from oxide.testing._journal import Journal
from oxide.testing._routing import SAGAS, Operation, find_route
from oxide.testing.faults import Answer, Delay, Drop, Fault, LosePantry, Refuse, Unwind

# The operations that can suffer a fault, for the faults that not every operation can suffer.
_POSSIBLE: Final[Mapping[type, frozenset[Operation]]] = {
    LosePantry: frozenset({"disk_bulk_write_import"}),
    Unwind: SAGAS,
}


@dataclass
class _Rule:
    fault: Fault
    left: int
    operations: frozenset[Operation] | None


class FaultQueue:
    """The pending faults, oldest first; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: deque[_Rule] = deque()

    def add(self, fault: Fault, times: int, operation: Operation | None) -> None:
        """Make the next `times` requests that can suffer `fault`, or those of `operation`, do so."""
        possible = _POSSIBLE.get(type(fault))
        if possible is not None and operation not in {None, *possible}:
            message = f"{fault} is for {', '.join(sorted(possible))}, not for {operation}"
            raise ValueError(message)
        with self._lock:
            self._rules.append(_Rule(fault, times, possible if operation is None else frozenset({operation})))

    def clear(self) -> None:
        """Forget the pending faults."""
        with self._lock:
            self._rules.clear()

    def take(self, operation: Operation | None) -> Fault | None:
        """Return the fault for a request of this operation, if any, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.operations is None or operation in rule.operations:
                    rule.left -= 1
                    if not rule.left:
                        self._rules.remove(rule)
                    return rule.fault
        return None


class Exchange:
    """Handles requests from their arrival to the end of their response."""

    def __init__(self, application: Application, faults: FaultQueue, journal: Journal):
        self._application = application
        self._faults = faults
        self._journal = journal

    def serve(self, connection: Connection) -> None:
        """Respond to requests until the connection ends."""
        while True:
            request = connection.receive()
            operation = _operation(request)
            number = self._journal.arrived(request, operation, self._application.user(request))
            started = time.monotonic()
            status: int | str = "dropped"
            try:
                fault = self._faults.take(operation)
                response = self._respond(connection, request, fault)
                self._journal.responded(number, response)
                status = response.status
                connection.send(response, fault)
            finally:
                milliseconds = (time.monotonic() - started) * 1000
                LOGGER.info("%s %s %s %.1f ms", request.method, request.target, status, milliseconds)
                self._journal.finished()

    def _respond(self, connection: Connection, request: Request, fault: Fault | None) -> Response:
        application = self._application
        match fault:
            case Answer():
                if fault.after_acting:
                    application.respond(request)
                body = fault.body.encode() if isinstance(fault.body, str) else fault.body
                return Response(fault.status, tuple(fault.headers.items()), body)
            case Refuse():
                return error_response(ApiError(fault.status, fault.error_code, fault.message))
            case Delay(after_acting=True):
                response = application.respond(request)
                connection.wait(fault.seconds)
                return response
            case Delay():
                return self._delayed(connection, request, fault.seconds)
            case Drop():
                if fault.after_acting:
                    application.respond(request)
                connection.close(reset=fault.reset)
                if fault.during is not None:
                    self._delayed(connection, request, fault.during)
                raise ConnectionEnd
            case LosePantry():
                application.lose_pantry(request)
            case Unwind():
                return application.respond(request, fail=True)
        return application.respond(request)

    def _delayed(self, connection: Connection, request: Request, seconds: float) -> Response:
        """Return the response after a delay; a saga is under way meanwhile."""
        left = [seconds]

        def wait() -> None:
            if left:
                connection.wait(left.pop())

        if _operation(request) not in SAGAS:
            wait()
        response = self._application.respond(request, at_work=wait)
        # A saga that was refused has not waited.
        wait()
        return response


def _operation(request: Request) -> Operation | None:
    try:
        return find_route(request.method, request.path).operation
    except ApiError:
        return None
