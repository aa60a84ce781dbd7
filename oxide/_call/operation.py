"""How a row of the table in `oxide._operations` works: it turns arguments into path, query and body."""

import string
from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

from typing_extensions import override

from oxide._call.encoding import Encoder, checked_body
from oxide.models._model import RequestModel

T_co = TypeVar("T_co", covariant=True)


class Operation(Generic[T_co]):
    """One operation of the API.

    Attributes:
        id: its OpenAPI operationId, which is also the name of its method.
        method: the HTTP method.
        path: the path, with placeholders for the parameters that are in it.
        parameters: the encoder of each parameter, in the order sent; those that are not in the path are in the query.
        result: the model of any 2xx response; `NoneType` if there is nothing to read.
        body: the model of the request body; `bytes` for JSON that is encoded already; None for no body.
        required: the parameters of the query that cannot be left out.
        query: the parameters of the query, in the order sent.
        repeatable: whether the request does no harm if the server gets it twice; by default, a GET.
        role: the role that the user needs; by default, for a GET the viewer, else the limited collaborator.
        role_on_silo: whether they need it on the silo even if a project is given.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the term of OpenAPI
        method: str,
        path: str,
        parameters: Mapping[str, Encoder],
        result: type[T_co],
        *,
        body: type[RequestModel | bytes] | None = None,
        required: Collection[str] = (),
        repeatable: bool | None = None,
        role: str | None = None,
        role_on_silo: bool = False,
    ) -> None:
        self.id = id
        self.method = method
        self.path = path
        self.parameters = parameters
        self.result = result
        self.body = body
        self.required = required
        self.repeatable = method == "GET" if repeatable is None else repeatable
        self.role = role or ("viewer" if method == "GET" else "limited-collaborator")
        self.role_on_silo = role_on_silo
        self._in_path = tuple(name for _, name, _, _ in string.Formatter().parse(path) if name is not None)
        self.query = tuple(name for name in parameters if name not in self._in_path)

    @override
    def __repr__(self) -> str:
        return f"<Operation {self.id}: {self.method} {self.path}>"

    def target(self, arguments: Mapping[str, Any]) -> str:
        """Return path and query of a request; arguments that are None are left out of the query.

        Raises:
            ApiTypeError: an argument of the wrong type.
            ApiValueError: a value that the server would refuse.
        """
        path = self.path.format_map({name: self.parameters[name](name, arguments) for name in self._in_path})
        query = "&".join(
            f"{name}={self.parameters[name](name, arguments)}"
            for name in self.query
            if arguments.get(name) is not None or name in self.required
        )
        return f"{path}?{query}" if query else path

    def needed_role(self, arguments: Mapping[str, Any]) -> str:
        """Return the role that the user needs, and on what."""
        in_project = not self.role_on_silo and arguments.get("project") is not None
        place = f"project {self.parameters['project']('project', arguments)}" if in_project else "the silo"
        return f"the {self.role} role on {place}"

    def encode_body(self, value: Any) -> bytes | None:
        """Return the JSON of the request body, given as the row says or as a mapping equal to its model; None for no body.

        Raises:
            ApiTypeError: it is neither a model nor a mapping.
            ApiValueError: it breaks a rule.
        """
        if self.body is None:
            return None
        if issubclass(self.body, RequestModel):
            return checked_body(self.id, self.body, value).to_json().encode()
        return bytes(value)
