"""The face of the generated interface's `rest` module."""

from oxide._transport.response import RESTResponse
from oxide.exceptions import ApiException

__all__ = ["ApiException", "RESTResponse"]
