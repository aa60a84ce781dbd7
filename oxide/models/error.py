"""The `Error` in the body of a response."""

from oxide.models._model import ResponseModel


class Error(ResponseModel):
    """The body of a response with a 4xx or 5xx status.

    Attributes:
        error_code: the kind of error, such as `ObjectNotFound`; errors found while the server reads the request
            (path, query, body, version) have none.
        message: what is wrong, in English.
        request_id: the server's own ID of the request, for its operators' logs.
    """

    error_code: str | None = None
    message: str
    request_id: str
