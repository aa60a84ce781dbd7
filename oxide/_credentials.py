"""Where the host and the token come from: arguments, environment, or the profiles of `oxide auth login`."""

import os
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oxide._hosts import parse_host
from oxide._secrets import Secret
from oxide.exceptions import ConfigurationError

_LOGIN = "run `oxide auth login`"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A host and the token for it, both from `source`."""

    host: str
    token: Secret
    source: str


def find_credentials(
    host: str | None,
    token: str | None,
    profile: str | None,
    config_dir: str | os.PathLike[str] | None,
    environ: Mapping[str, str] | None = None,
) -> Credentials:
    """Return host and token from the first source that has them; see `Configuration.from_environment`.

    The order is that of the official Rust SDK. An explicit host or profile leaves the environment aside, so a token
    found there never goes to a host that was named elsewhere.
    """
    files = _ProfileFiles(Path.home() / ".config" / "oxide" if config_dir is None else Path(config_dir))
    if profile is not None and (host is not None or token is not None):
        raise ConfigurationError(_conflict("profile", "host" if host is not None else "token", "argument"))
    if token is not None:
        if host is None:
            message = "token= needs host=: a token goes only to the host it was given with"
            raise ConfigurationError(message)
        return Credentials(host, Secret(token), "argument")
    if host is not None:
        return files.for_host(host, "argument host", "give token= with it, or")
    if profile is not None:
        return files.named(profile, "argument profile")
    return _from_environment(os.environ if environ is None else environ, files)


def _from_environment(environ: Mapping[str, str], files: "_ProfileFiles") -> Credentials:
    host, profile = (environ.get(name, "").strip() for name in ("OXIDE_HOST", "OXIDE_PROFILE"))
    token = Secret(environ.get("OXIDE_TOKEN", "").strip())
    if host and profile:
        raise ConfigurationError(_conflict("OXIDE_HOST", "OXIDE_PROFILE", "environment variable"))
    if token and not host:
        message = "OXIDE_TOKEN is set but OXIDE_HOST is not: set it to the host that the token is for"
        raise ConfigurationError(message)
    if token:
        return Credentials(host, token, "environment (OXIDE_HOST, OXIDE_TOKEN)")
    if host:
        return files.for_host(host, "environment (OXIDE_HOST)", "set OXIDE_TOKEN, or")
    if profile:
        return files.named(profile, "environment (OXIDE_PROFILE)")
    return files.default()


@dataclass(frozen=True, slots=True)
class _ProfileFiles:
    """`credentials.toml` and `config.toml` in one directory, as the official CLI writes them."""

    directory: Path

    @property
    def credentials_path(self) -> Path:
        return self.directory / "credentials.toml"

    @property
    def config_path(self) -> Path:
        return self.directory / "config.toml"

    def named(self, name: str, asked_by: str) -> Credentials:
        profiles = self._profiles()
        if name not in profiles:
            known = ", ".join(sorted(profiles)) or "none"
            message = f"{asked_by}: {self.credentials_path} has no profile {name!r}; it has: {known}"
            raise ConfigurationError(message)
        return self._credentials(name, profiles[name])

    def for_host(self, host: str, asked_by: str, remedy: str) -> Credentials:
        """Return the first profile, by name, whose host is `host`."""
        wanted = parse_host(host)
        profiles = self._profiles() if self.credentials_path.exists() else {}
        for name in sorted(profiles):
            known = profiles[name].get("host")
            if isinstance(known, str) and _is_same_host(known, wanted.url):
                return self._credentials(name, profiles[name])
        message = (
            f"{asked_by}: no profile in {self.credentials_path} has the host {wanted.url}; {remedy} {_LOGIN}"
        )
        raise ConfigurationError(message)

    def default(self) -> Credentials:
        name = _load(self.config_path).get("default-profile") if self.config_path.exists() else None
        if name is None:
            message = (
                "no host and token: none given, OXIDE_HOST and OXIDE_TOKEN are not set, no profile is named, and "
                f"{self.config_path} has no default-profile; {_LOGIN}"
            )
            raise ConfigurationError(message)
        if not isinstance(name, str):
            message = f"{self.config_path}: default-profile must be a string"
            raise ConfigurationError(message)
        return self.named(name, f"default-profile of {self.config_path}")

    def _profiles(self) -> dict[str, dict[str, Any]]:
        path = self.credentials_path
        document = _load(path)
        _warn_if_readable_by_others(path)
        profiles = document.get("profile", {})
        if not isinstance(profiles, dict) or not all(isinstance(entry, dict) for entry in profiles.values()):
            message = f"{path}: `profile` must be a table of tables, as in [profile.my-silo]"
            raise ConfigurationError(message)
        return profiles

    def _credentials(self, name: str, entry: dict[str, Any]) -> Credentials:
        where = f"profile {name!r} of {self.credentials_path}"
        for key in ("host", "token"):
            if not isinstance(entry.get(key), str) or not entry[key]:
                message = f"{where} has no {key}; {_LOGIN}"
                raise ConfigurationError(message)
        _warn_if_expired(where, entry.get("time_expires"))
        return Credentials(entry["host"], entry["token"], where)


def _load(path: Path) -> dict[str, Any]:
    """Return the TOML document in `path`, its tokens masked."""
    # Raised outside the `except` blocks: the original error holds the document, tokens and all.
    try:
        return _with_masked_tokens(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        problem = f"{path} does not exist; {_LOGIN}"
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"{path} is no UTF-8 text ({error.reason} at byte {error.start})"
    except tomllib.TOMLDecodeError as error:
        problem = f"{path} is no TOML: {error}"
    raise ConfigurationError(problem)


def _with_masked_tokens(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _with_masked_tokens(value)
        if isinstance(value, dict)
        else Secret(value)
        if key == "token" and isinstance(value, str)
        else value
        for key, value in table.items()
    }


def _is_same_host(known: str, wanted: str) -> bool:
    try:
        return parse_host(known).url == wanted
    except ConfigurationError:
        # Another profile's host is no reason to refuse this one.
        return False


def _warn_if_readable_by_others(path: Path) -> None:
    mode = path.stat().st_mode
    if os.name == "posix" and mode & 0o077:
        message = f"{path} may be read by other users (mode {mode & 0o777:o}); run `chmod 600 {path}`"
        warnings.warn(message, UserWarning, stacklevel=2)


def _warn_if_expired(where: str, expires: object) -> None:
    """Warn where `expires`, free text that nothing else reads, is a time in the past."""
    from dateutil import parser

    try:
        time = expires if isinstance(expires, datetime) else parser.parse(str(expires)) if expires else None
    except (ValueError, OverflowError):
        return
    if time is None:
        return
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time < datetime.now(UTC):
        message = f"the token of {where} expired at {time:%Y-%m-%d %H:%M:%S %Z}; {_LOGIN}"
        warnings.warn(message, UserWarning, stacklevel=2)


def _conflict(one: str, other: str, kind: str) -> str:
    return f"{kind}s {one} and {other} are both given; only one of them may be used"
