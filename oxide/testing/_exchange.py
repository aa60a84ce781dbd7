"""Handles the requests of one connection in turn: records them, applies faults and answers."""

import threading
import time
from collections import deque
from dataclasses import dataclass

from oxide.testing._application import Application
from oxide.testing._connection import LOGGER, Connection, ConnectionEnd
from oxide.testing._errors import ApiError
from oxide.testing._http_messages import Request, Response
from oxide.testing._journal import Journal
from oxide.testing._routing import SAGAS, Operation, find_route
from oxide.testing.faults import Answer, Delay, Drop, Fault, LosePantry


@dataclass
class _Rule:
    fault: Fault
    left: int
    operation: Operation | None


class FaultQueue:
    """The pending faults, oldest first; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: deque[_Rule] = deque()

    def add(self, fault: Fault, times: int, operation: Operation | None) -> None:
        """Make the next `times` requests, or those of `operation`, suffer `fault`."""
        with self._lock:
            self._rules.append(_Rule(fault, times, operation))

    def clear(self) -> None:
        """Forget the pending faults."""
        with self._lock:
            self._rules.clear()

    def take(self, operation: Operation | None) -> Fault | None:
        """Return the fault for a request of this operation, if any, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.operation in {None, operation}:
                    rule.left -= 1
                    if not rule.left:
                        self._rules.remove(rule)
                    return rule.fault
        return None


class Exchange:
    """Handles requests from their arrival to the end of their answer."""

    def __init__(self, application: Application, faults: FaultQueue, journal: Journal):
        self._application = application
        self._faults = faults
        self._journal = journal

    def serve(self, connection: Connection) -> None:
        """Answer requests until the connection ends."""
        while True:
            request = connection.receive()
            operation = _operation(request)
            number = self._journal.arrived(request, operation, self._application.user(request))
            started = time.monotonic()
            status: int | str = "dropped"
            try:
                fault = self._faults.take(operation)
                response = self._answer(connection, request, fault)
                self._journal.answered(number, response)
                status = response.status
                connection.send(response, fault)
            finally:
                milliseconds = (time.monotonic() - started) * 1000
                LOGGER.info("%s %s %s %.1f ms", request.method, request.target, status, milliseconds)
                self._journal.finished()

    def _answer(self, connection: Connection, request: Request, fault: Fault | None) -> Response:
        application = self._application
        response = None
        if isinstance(fault, Answer | Delay | Drop) and fault.after_acting:
            response = application.answer(request)
        match fault:
            case Answer():
                body = fault.body.encode() if isinstance(fault.body, str) else fault.body
                return Response(fault.status, tuple(fault.headers.items()), body)
            case Delay() if response is None:
                return self._delayed(connection, request, fault.seconds)
            case Delay():
                connection.wait(fault.seconds)
            case Drop():
                if fault.reset:
                    connection.reset()
                raise ConnectionEnd
            case LosePantry():
                application.lose_pantry(request)
        return response or application.answer(request)

    def _delayed(self, connection: Connection, request: Request, seconds: float) -> Response:
        """Answer after a delay; what takes long on a rack is under way meanwhile."""
        if _operation(request) not in SAGAS:
            connection.wait(seconds)
            return self._application.answer(request)
        waited = False

        def wait() -> None:
            nonlocal waited
            waited = True
            connection.wait(seconds)

        response = self._application.answer(request, at_work=wait)
        if not waited:
            connection.wait(seconds)
        return response


def _operation(request: Request) -> Operation | None:
    try:
        return find_route(request.method, request.path).operation
    except ApiError:
        return None
