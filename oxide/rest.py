"""`RESTResponse` and `ApiException` under the module name that generated clients have."""

from oxide._transport.response import RESTResponse
from oxide.exceptions import ApiException

__all__ = ["ApiException", "RESTResponse"]
