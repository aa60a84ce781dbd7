"""Where the host and the token come from: arguments, environment, or the profiles of `oxide auth login`."""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, NamedTuple

from oxide._identity import checks
from oxide._identity.hosts import masked_host, parse_host
from oxide._identity.secrets import IN_QUOTES, QUOTED, Secret, checked_token, masked
from oxide._warnings import warn
from oxide.exceptions import ConfigurationError

_LOGIN: Final = "run `oxide auth login`"
# Keys whose values may be shown; any other may be a misspelled `token`.
_SHOWN_KEYS: Final = frozenset({"default-profile", "time_expires"})


class Credentials(NamedTuple):
    """A host and the token for it, both from `source`."""

    host: str
    token: Secret
    source: str


def find_credentials(
    host: str | None, token: str | None, profile: str | None, config_dir: str | os.PathLike[str] | None
) -> Credentials:
    """Return host and token from the first source that has them; see `Configuration.from_environment`.

    The order is that of the official Rust SDK. With an explicit host or profile the environment is ignored, so that its
    token never goes to a host named elsewhere. `token` is already masked.
    """
    if profile is not None and not isinstance(profile, str):
        wrong = "; was a token given in the wrong place?" if isinstance(profile, Secret) else ""
        raise ConfigurationError(f"profile= must be a str, the name of a profile{wrong}")
    if profile is not None and (host is not None or token is not None):
        raise ConfigurationError(
            f"profile= has a host and a token of its own: leave out {'token' if host is None else 'host'}="
        )
    if token is not None:
        if host is None:
            raise ConfigurationError(
                "token= needs host=: a token goes only to the host that it was given with"
            )
        return Credentials(parse_host(host).url, checked_token(token, "token"), "argument")
    if host is not None:
        remedy = "give token= with it (OXIDE_TOKEN is only for OXIDE_HOST)"
        return _Profiles(config_dir).of_host(host, "host", remedy)
    if profile is not None:
        return _Profiles(config_dir).named(profile, f"profile={profile!r}")
    return _from_environment(config_dir)


def _from_environment(config_dir: str | os.PathLike[str] | None) -> Credentials:
    # `os.environ` itself must not be a local variable: its `repr` shows the token.
    host, profile = masked_host(_variable("OXIDE_HOST")), _variable("OXIDE_PROFILE")
    token = masked(_variable("OXIDE_TOKEN"))
    if QUOTED.fullmatch(profile):
        raise ConfigurationError(f"OXIDE_PROFILE {profile}: {IN_QUOTES}")
    if host and profile:
        raise ConfigurationError(
            "OXIDE_HOST and OXIDE_PROFILE are both set, and may name different hosts: unset one of them"
        )
    if token and not host:
        raise ConfigurationError(
            "OXIDE_TOKEN is set but OXIDE_HOST is not: set it to the host that the token is for"
        )
    if token:
        url = parse_host(host, "OXIDE_HOST").url
        return Credentials(url, checked_token(token, "OXIDE_TOKEN"), "OXIDE_HOST and OXIDE_TOKEN")
    if host:
        return _Profiles(config_dir).of_host(host, "OXIDE_HOST", "set OXIDE_TOKEN")
    if profile:
        return _Profiles(config_dir).named(profile, f"OXIDE_PROFILE={profile!r}")
    return _Profiles(config_dir).default()


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


class _Profiles:
    """`credentials.toml` and `config.toml` in one directory, as the official CLI writes them."""

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        if directory is None:
            try:
                directory = Path.home() / ".config" / "oxide"
            except RuntimeError:
                raise ConfigurationError(
                    "there is no home directory to find profiles in: set HOME, or give config_dir="
                ) from None
        directory = Path(checks.path("config_dir", directory))
        self._credentials_path = directory / "credentials.toml"
        self._config_path = directory / "config.toml"

    def named(self, name: str, asked_by: str) -> Credentials:
        """Return host and token of the profile `name`, which `asked_by` asks for."""
        profiles = self._read()
        if profiles is None:
            raise ConfigurationError(f"{asked_by}: {self._credentials_path} does not exist; {_LOGIN}")
        if name not in profiles:
            raise ConfigurationError(
                f"{asked_by}: {self._credentials_path} has no such profile; it has {_listed(profiles)}"
            )
        return self._credentials(name, profiles[name])

    def of_host(self, host: str, setting: str, remedy: str) -> Credentials:
        """Return host and token of the first profile, by name, with the host that `setting` asks for."""
        wanted = parse_host(host, setting).url
        profiles = self._read()
        if profiles is None:
            found = "does not exist"
        else:
            hosts = {name: _url(profiles[name].get("host")) for name in sorted(profiles)}
            for name, url in hosts.items():
                if url == wanted:
                    return self._credentials(name, profiles[name])
            known = (f"{name} ({url or 'no usable host'})" for name, url in hosts.items())
            found = f"has no profile with that host; it has {_listed(known)}"
        raise ConfigurationError(
            f"{setting} is {wanted}, but {self._credentials_path} {found}: {remedy}, or {_LOGIN}"
        )

    def default(self) -> Credentials:
        """Return host and token of the default profile."""
        config = _load(self._config_path)
        name = None if config is None else config.get("default-profile")
        if name is None:
            found = "does not exist" if config is None else "has no default-profile"
            profiles = self._read()
            known = (
                ""
                if profiles is None
                else f", or name a profile: {self._credentials_path} has {_listed(profiles)}"
            )
            raise ConfigurationError(
                "no host and no token: none were given, OXIDE_HOST, OXIDE_TOKEN and OXIDE_PROFILE are not set, and "
                f"{self._config_path} {found}; {_LOGIN}, set OXIDE_HOST and OXIDE_TOKEN{known}"
            )
        if not isinstance(name, str):
            raise ConfigurationError(f"{self._config_path}: default-profile must be a string")
        return self.named(name, f"default-profile = {name!r} in {self._config_path}")

    def _read(self) -> dict[str, dict[str, Any]] | None:
        """Return the profiles by name, or None if there is no such file; warn if others may read it."""
        path = self._credentials_path
        document = _load(path, private=True)
        if document is None:
            return None
        profiles = document.get("profile", {})
        if not isinstance(profiles, dict) or not all(isinstance(entry, dict) for entry in profiles.values()):
            raise ConfigurationError(f"{path}: `profile` must be a table of tables, as in [profile.my-silo]")
        return profiles

    def _credentials(self, name: str, entry: dict[str, Any]) -> Credentials:
        where = f"profile {name!r} of {self._credentials_path}"
        missing = [key for key in ("host", "token") if not isinstance(entry.get(key), (str, Secret))]
        if missing:
            raise ConfigurationError(f"{where} has no {' and no '.join(missing)}; {_LOGIN}")
        url = parse_host(entry["host"], f"{where}: host").url
        token = checked_token(entry["token"], f"{where}: token")
        expiry = _expiry(entry.get("time_expires"))
        if expiry is not None and expiry < datetime.now(UTC):
            warn(f"the token of {where} expired at {expiry:%Y-%m-%d %H:%M:%S} UTC; {_LOGIN}")
        return Credentials(url, token, where)


def _load(path: Path, *, private: bool = False) -> dict[str, Any] | None:
    """Return the TOML document in `path` with its text masked; None if there is no such file."""
    import tomllib  # not needed where the environment has host and token

    # Raised outside the `except` blocks: the original error holds the document, with its tokens.
    try:
        with path.open("rb") as file:
            # Editors of Windows begin a file with a byte order mark.
            document: dict[str, Any] = _masked_value("", tomllib.loads(file.read().decode("utf-8-sig")))
            mode = os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 text: {error.reason} at byte {error.start}"
    except (ValueError, RecursionError) as error:
        problem = f"is not valid TOML: {error}"
    else:
        if private and os.name == "posix" and mode & 0o077:
            warn(f"{path} can be read by other users (mode {mode & 0o777:o}); run `chmod 600 {path}`")
        return document
    raise ConfigurationError(f"{path} {problem}")


def _masked_value(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _masked_value(inner, item) for inner, item in value.items()}
    if key == "host":
        return masked_host(value)
    return value if key in _SHOWN_KEYS else masked(value)


def _url(host: object) -> str | None:
    try:
        return parse_host(host).url
    except ConfigurationError:
        # The bad host of another profile does not matter here.
        return None


def _expiry(text: object) -> datetime | None:
    """Return the time in `text`, which is free text that the official tools only display, or None if it has none."""
    from dateutil import parser

    # Without a year, dateutil would read almost any text as a time near today.
    if not re.search(r"[0-9]{4}", str(text)):
        return None
    try:
        return parser.parse(str(text), tzinfos=_zone).astimezone(UTC)
    except (ValueError, ArithmeticError):
        return None


def _zone(name: str | None, offset: int | None) -> timezone:  # noqa: ARG001 - as dateutil calls it
    # Keeps dateutil from warning about unknown zones; a time with one, or without a zone, counts as UTC.
    return UTC if offset is None else timezone(timedelta(seconds=offset))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
