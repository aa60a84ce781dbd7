"""Error messages for a setting or option that does not exist: the nearest name, or where generated clients had it."""

from collections.abc import Iterable
from typing import Final

_CREDENTIALS: Final = frozenset(
    {
        *("api_key", "api_key_prefix", "username", "password", "refresh_api_key_hook"),
        *("auth_settings", "get_api_key_with_prefix", "get_basic_auth_token"),
    }
)
DROPPED: Final = _CREDENTIALS | frozenset(
    {
        *("server_index", "server_variables", "server_operation_index", "server_operation_variables"),
        *("ignore_operation_servers", "safe_chars_for_path_param", "client_side_validation"),
        *("datetime_format", "date_format", "temp_folder_path", "logger", "logger_file", "logger_format"),
        *("logger_formatter", "logger_stream_handler", "logger_file_handler"),
        *("get_host_settings", "get_host_from_settings"),
    }
)


def no_such_setting(name: str, known: Iterable[str]) -> str:
    """Return the message for a setting that does not exist; `known` are those that do."""
    if name in DROPPED:
        instead = "; use access_token" if name in _CREDENTIALS else ""
        return f"{name} is a setting of generated clients that this one does not have: see docs/migrating.md{instead}"
    return f"there is no setting {name!r}{suggestion(name, known)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the most similar known one, if any is close."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
