"""Where host and token come from: `Configuration.from_environment`, its precedence, errors and warnings."""

import itertools
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import oxide
from oxide._identity.credentials import _expiry
from oxide.testing import Simulator

CREDENTIALS = """\
[profile.alpha]
host = "https://alpha.test"
token = "token-of-alpha"
token_id = "5b0d2b4e-3a5a-4a3b-9c3f-0e8f5a4d7a10"
user = "831dedf4-0a66-4b04-a232-b610f9f8924c"
time_expires = "2038-01-19 03:14:08 UTC"

[profile.beta]
host = "https://beta.test"
token = "token-of-beta"

[profile."beta.2"]
host = "https://beta.test"
token = "token-of-beta.2"

[profile.no-host]
token = "token-of-no-host"

[profile.no-token]
host = "https://no-token.test"

[profile.bare]
user = "831dedf4-0a66-4b04-a232-b610f9f8924c"

[profile.bad-host]
host = "ftp://bad.test"
token = "token-of-bad-host"

[profile.bad-token]
host = "https://bad-token.test"
token = "two words"

[profile.misspelled]
host = "https://misspelled.test"
tokn = "token-of-misspelled"
"""
CONFIG = 'default-profile = "beta"\n'

ALPHA = ("https://alpha.test", "token-of-alpha")
BETA = ("https://beta.test", "token-of-beta")
GIVEN = {"host": "https://given.test", "token": "token-given"}
VARIABLES = {"OXIDE_HOST": "https://variable.test", "OXIDE_TOKEN": "token-of-variable"}

Strings = Mapping[str, str]


def write(
    directory: Path, credentials: str | bytes | None = CREDENTIALS, config: str | None = CONFIG
) -> None:
    """Write the files as the official CLI does; None means no file."""
    for name, content in (("credentials.toml", credentials), ("config.toml", config)):
        path = directory / name
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            path.chmod(0o600)


def set_variables(patch: pytest.MonkeyPatch, variables: Strings) -> None:
    """Set the given ones of the three variables, and unset the others."""
    for name in ("OXIDE_HOST", "OXIDE_TOKEN", "OXIDE_PROFILE"):
        if name in variables:
            patch.setenv(name, variables[name])
        else:
            patch.delenv(name, raising=False)


FOUND: dict[str, tuple[dict[str, Any], Strings, tuple[str, str], str]] = {
    # given: arguments, environment; found: host and token, and the source in the report
    "host and token": (GIVEN, {}, ("https://given.test", "token-given"), "argument"),
    "host and token, with the environment aside": (GIVEN, VARIABLES, ("https://given.test", "token-given"), "argument"),
    "host and token, with a conflict in the environment aside": (
        GIVEN, {**VARIABLES, "OXIDE_PROFILE": "alpha"}, ("https://given.test", "token-given"), "argument",
    ),
    "host and token, as they come from files": (
        {"host": " given.test/ ", "token": "token-given\n"}, {}, ("https://given.test", "token-given"), "argument",
    ),
    "host of a profile": ({"host": "https://alpha.test"}, {}, ALPHA, "profile 'alpha'"),
    "host of a profile, otherwise written": ({"host": "ALPHA.test:443/"}, {}, ALPHA, "profile 'alpha'"),
    "host of a profile, with the environment aside": ({"host": "alpha.test"}, VARIABLES, ALPHA, "profile 'alpha'"),
    "host of two profiles": ({"host": "beta.test"}, {}, BETA, "profile 'beta'"),
    "profile": ({"profile": "alpha"}, {}, ALPHA, "profile 'alpha'"),
    "profile without a user": ({"profile": "beta"}, {}, BETA, "profile 'beta'"),
    "profile with a dot in its name": (
        {"profile": "beta.2"}, {}, ("https://beta.test", "token-of-beta.2"), "profile 'beta.2'",
    ),
    "profile, with the environment aside": (
        {"profile": "alpha"}, {**VARIABLES, "OXIDE_PROFILE": "beta"}, ALPHA, "profile 'alpha'",
    ),
    "OXIDE_HOST and OXIDE_TOKEN": (
        {}, VARIABLES, ("https://variable.test", "token-of-variable"), "OXIDE_HOST and OXIDE_TOKEN",
    ),
    "OXIDE_HOST of a profile with OXIDE_TOKEN": (
        {}, {"OXIDE_HOST": "alpha.test", "OXIDE_TOKEN": "another"}, ("https://alpha.test", "another"),
        "OXIDE_HOST and OXIDE_TOKEN",
    ),
    "OXIDE_HOST and OXIDE_TOKEN, with white space": (
        {}, {"OXIDE_HOST": " variable.test\n", "OXIDE_TOKEN": " token-of-variable\r\n"},
        ("https://variable.test", "token-of-variable"), "OXIDE_HOST and OXIDE_TOKEN",
    ),
    "OXIDE_HOST of a profile": ({}, {"OXIDE_HOST": "https://alpha.test"}, ALPHA, "profile 'alpha'"),
    "OXIDE_HOST of a profile, otherwise written": ({}, {"OXIDE_HOST": "Alpha.Test/"}, ALPHA, "profile 'alpha'"),
    "OXIDE_PROFILE": ({}, {"OXIDE_PROFILE": "alpha"}, ALPHA, "profile 'alpha'"),
    "default profile": ({}, {}, BETA, "profile 'beta'"),
    "default profile, where the variables are empty": (
        {}, {"OXIDE_HOST": "", "OXIDE_TOKEN": " ", "OXIDE_PROFILE": ""}, BETA, "profile 'beta'",
    ),
    "OXIDE_HOST and OXIDE_TOKEN, where OXIDE_PROFILE is empty": (
        {}, {**VARIABLES, "OXIDE_PROFILE": ""}, ("https://variable.test", "token-of-variable"),
        "OXIDE_HOST and OXIDE_TOKEN",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "variables", "expected", "source"), FOUND.values(), ids=FOUND)
def test_host_and_token_are_found_in_the_documented_order(
    arguments: dict[str, Any],
    variables: Strings,
    expected: tuple[str, str],
    source: str,
    config_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Host and token come from the first source that has them, and the report names it."""
    write(config_dir)
    set_variables(monkeypatch, variables)
    configuration = oxide.Configuration.from_environment(**arguments)
    assert (configuration.host, configuration.access_token) == expected
    where = f"{source} of {config_dir}/credentials.toml" if source.startswith("profile") else source
    report = configuration.to_debug_report().splitlines()
    assert f"host: {expected[0]!r} ({where})" in report
    assert f"access_token: <hidden> ({where})" in report


REFUSED: dict[str, tuple[dict[str, Any], Strings, tuple[str, ...]]] = {
    # given: arguments, environment; expected in the message
    "token alone": ({"token": "t"}, VARIABLES, ("token= needs host=",)),
    "profile and host": ({"profile": "alpha", "host": "alpha.test"}, {}, ("profile=", "leave out host=")),
    "profile and token": ({"profile": "alpha", "token": "t"}, {}, ("profile=", "leave out token=")),
    "profile, host and token": ({"profile": "alpha", **GIVEN}, {}, ("profile=", "leave out host=")),
    "OXIDE_TOKEN in quotes": (
        {}, {"OXIDE_HOST": "https://variable.test", "OXIDE_TOKEN": '"hunter2"'},
        ("OXIDE_TOKEN is in quotes, which are taken as part of it: leave them out",),
    ),
    "OXIDE_HOST in quotes": (
        {}, {"OXIDE_HOST": "'https://variable.test'", "OXIDE_TOKEN": "t"},
        ("OXIDE_HOST 'https://variable.test': is in quotes", "leave them out"),
    ),
    "OXIDE_PROFILE in quotes": ({}, {"OXIDE_PROFILE": '"alpha"'}, ('OXIDE_PROFILE "alpha": is in quotes',)),
    "host of no profile": (
        {"host": "unknown.test"}, {},
        ("host is https://unknown.test", "credentials.toml", "alpha (https://alpha.test)",
         "bad-host (no usable host)", "give token=", "oxide auth login"),
    ),
    "host of no profile, though the environment has a token for it": (
        {"host": "variable.test"}, VARIABLES, ("host is https://variable.test", "OXIDE_TOKEN is only for OXIDE_HOST"),
    ),
    "host of no profile, as one begins": ({"host": "https://alpha"}, {}, ("host is https://alpha, but",)),
    "host of a profile, by plain http": ({"host": "http://alpha.test"}, {}, ("host is http://alpha.test",)),
    "host of a profile, at another port": ({"host": "alpha.test:8443"}, {}, ("host is https://alpha.test:8443",)),
    "host of a profile, below another path": ({"host": "alpha.test/x"}, {}, ("host is https://alpha.test/x",)),
    "host of a profile without a token": (
        {"host": "no-token.test"}, {}, ("profile 'no-token'", "has no token", "oxide auth login"),
    ),
    "host of another type": ({"host": 5}, {}, ("host must be a str",)),
    "profile of another type": ({"profile": 5}, {}, ("profile= must be a str",)),
    "profile that is a list": ({"profile": []}, {}, ("profile= must be a str",)),
    "empty host": ({"host": " "}, {}, ("host is empty",)),
    "empty host with token": ({"host": "", "token": "t"}, {}, ("host is empty",)),
    "empty token": ({"host": "given.test", "token": " \n"}, {}, ("token is empty",)),
    "illegal token": ({"host": "given.test", "token": "two words"}, {}, ("token contains white space",)),
    "unknown profile": (
        {"profile": "gamma"}, {},
        ("profile='gamma'", "credentials.toml has no such profile", "alpha, bad-host, bad-token, bare, beta, beta.2"),
    ),
    "profile without a host": ({"profile": "no-host"}, {}, ("profile 'no-host' of", "has no host", "oxide auth login")),
    "profile without a token": ({"profile": "no-token"}, {}, ("profile 'no-token' of", "has no token")),
    "profile without either": ({"profile": "bare"}, {}, ("profile 'bare' of", "has no host and no token")),
    "profile with a misspelled token": ({"profile": "misspelled"}, {}, ("profile 'misspelled' of", "has no token")),
    "profile with a bad host": ({"profile": "bad-host"}, {}, ("profile 'bad-host' of", "host 'ftp://bad.test'", "scheme")),
    "profile with a bad token": ({"profile": "bad-token"}, {}, ("profile 'bad-token' of", "token contains white space")),
    "OXIDE_HOST and OXIDE_PROFILE": (
        {}, {"OXIDE_HOST": "alpha.test", "OXIDE_PROFILE": "alpha"}, ("OXIDE_HOST and OXIDE_PROFILE are both set",),
    ),
    "OXIDE_HOST, OXIDE_TOKEN and OXIDE_PROFILE": (
        {}, {**VARIABLES, "OXIDE_PROFILE": "alpha"}, ("OXIDE_HOST and OXIDE_PROFILE are both set",),
    ),
    "OXIDE_TOKEN alone": ({}, {"OXIDE_TOKEN": "t"}, ("OXIDE_TOKEN is set but OXIDE_HOST is not",)),
    "OXIDE_TOKEN with an empty OXIDE_HOST": (
        {}, {"OXIDE_TOKEN": "t", "OXIDE_HOST": ""}, ("OXIDE_TOKEN is set but OXIDE_HOST is not",),
    ),
    "OXIDE_TOKEN and OXIDE_PROFILE": (
        {}, {"OXIDE_TOKEN": "t", "OXIDE_PROFILE": "alpha"}, ("OXIDE_TOKEN is set but OXIDE_HOST is not",),
    ),
    "OXIDE_HOST of no profile": (
        {}, {"OXIDE_HOST": "unknown.test"},
        ("OXIDE_HOST is https://unknown.test", "credentials.toml", "set OXIDE_TOKEN", "oxide auth login"),
    ),
    "illegal OXIDE_HOST": (
        {}, {"OXIDE_HOST": "ftp://a.test", "OXIDE_TOKEN": "t"}, ("OXIDE_HOST 'ftp://a.test'", "scheme"),
    ),
    "illegal OXIDE_TOKEN": (
        {}, {"OXIDE_HOST": "a.test", "OXIDE_TOKEN": "two\nlines"}, ("OXIDE_TOKEN contains white space",),
    ),
    "OXIDE_TOKEN with 'Bearer'": (
        {}, {"OXIDE_HOST": "a.test", "OXIDE_TOKEN": "Bearer t"}, ("OXIDE_TOKEN must be the token alone",),
    ),
    "unknown OXIDE_PROFILE": ({}, {"OXIDE_PROFILE": "gamma"}, ("OXIDE_PROFILE='gamma'", "has no such profile")),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "variables", "told"), REFUSED.values(), ids=REFUSED)
def test_unusable_credentials_are_refused_with_the_reason(
    arguments: dict[str, Any],
    variables: Strings,
    told: tuple[str, ...],
    config_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Contradicting or incomplete credentials are an error that says what was found where."""
    write(config_dir)
    set_variables(monkeypatch, variables)
    with pytest.raises(oxide.ConfigurationError) as caught:
        oxide.Configuration.from_environment(**arguments)
    for text in told:
        assert text in str(caught.value)


# files: credentials.toml, config.toml; arguments; expected in the message
FILES: dict[str, tuple[str | bytes | None, str | None, dict[str, Any], tuple[str, ...]]] = {
    "no files": (
        None, None, {},
        ("no host and no token", "OXIDE_HOST, OXIDE_TOKEN and OXIDE_PROFILE are not set", "config.toml does not exist",
         "oxide auth login"),
    ),
    "no config.toml": (
        CREDENTIALS, None, {}, ("config.toml does not exist", "or name a profile", "credentials.toml has alpha, bad-host"),
    ),
    "no default-profile": (CREDENTIALS, "[other]\n", {}, ("config.toml has no default-profile", "has alpha, bad-host")),
    "default-profile is a number": (CREDENTIALS, "default-profile = 3\n", {}, ("default-profile must be a string",)),
    "default-profile is unknown": (
        CREDENTIALS, 'default-profile = "gamma"\n', {}, ("default-profile = 'gamma' in", "has no such profile"),
    ),
    "config.toml is malformed": (CREDENTIALS, "default-profile = \n", {}, ("config.toml is not valid TOML", "at line 1")),
    "no credentials.toml, by default": (
        None, CONFIG, {}, ("default-profile = 'beta' in", "credentials.toml does not exist", "oxide auth login"),
    ),
    "no credentials.toml, by profile": (
        None, CONFIG, {"profile": "alpha"}, ("profile='alpha'", "credentials.toml does not exist", "oxide auth login"),
    ),
    "no credentials.toml, by host": (
        None, None, {"host": "alpha.test"}, ("host is https://alpha.test, but", "credentials.toml does not exist", "token="),
    ),
    "credentials.toml is malformed": (
        '[profile.a]\nhost = "https://a.test"\ntoken = oxide-token-unquoted\n', None, {"profile": "a"},
        ("credentials.toml is not valid TOML", "at line 3"),
    ),
    "credentials.toml is no text": (b"[profile.a]\n\xff", None, {"profile": "a"}, ("is not UTF-8 text", "at byte 12")),
    "credentials.toml is nested without end": (
        "a = " + "[" * 100_000, None, {"profile": "a"}, ("credentials.toml is not valid TOML",),
    ),
    "profile is no table": ('profile = "a"', None, {"profile": "a"}, ("`profile` must be a table of tables",)),
    "a profile is no table": ('[profile]\na = "b"', None, {"profile": "a"}, ("`profile` must be a table of tables",)),
    "there are no profiles": ("", None, {"profile": "a"}, ("has no such profile; it has none",)),
    "there are no profiles, by host": ("", None, {"host": "a.test"}, ("has no profile with that host; it has none",)),
    "the host is a number": ("[profile.a]\nhost = 5\ntoken = 't'", None, {"profile": "a"}, ("has no host",)),
    "the token is a number": ("[profile.a]\nhost = 'a.test'\ntoken = 5", None, {"profile": "a"}, ("has no token",)),
    "the token is empty": ("[profile.a]\nhost = 'a.test'\ntoken = ' '", None, {"profile": "a"}, ("token is empty",)),
    "the host has a password": (
        "[profile.a]\nhost = 'https://u:p@a.test'\ntoken = 't'", None, {"profile": "a"},
        ("profile 'a' of", "host: must not contain a user name or password"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("credentials", "config", "arguments", "told"), FILES.values(), ids=FILES)
def test_an_unusable_file_is_refused_with_the_reason(
    credentials: str | bytes | None,
    config: str | None,
    arguments: dict[str, Any],
    told: tuple[str, ...],
    config_dir: Path,
) -> None:
    """The error names a missing or malformed file, with the line if there is one."""
    write(config_dir, credentials, config)
    with pytest.raises(oxide.ConfigurationError) as caught:
        oxide.Configuration.from_environment(**arguments)
    assert str(config_dir) in str(caught.value)
    for text in told:
        assert text in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("name", ["credentials.toml", "config.toml"])
def test_an_error_names_a_file_that_cannot_be_read(name: str, config_dir: Path) -> None:
    """A directory instead of a file is an example of something that cannot be read."""
    write(config_dir)
    (config_dir / name).unlink()
    (config_dir / name).mkdir()
    with pytest.raises(
        oxide.ConfigurationError, match=re.escape(f"{config_dir / name} cannot be read: Is a directory")
    ):
        oxide.Configuration.from_environment()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_error_names_a_file_of_another_owner(config_dir: Path) -> None:
    """A file that the user may not read is an error, and is not treated as missing."""
    write(config_dir)
    (config_dir / "credentials.toml").chmod(0)
    with pytest.raises(oxide.ConfigurationError, match="cannot be read: Permission denied"):
        oxide.Configuration.from_environment()


TOKENS = {
    "token-given": None,
    "token-of-variable": None,
    "token-of-alpha": "https://alpha.test",
    "token-of-beta": "https://beta.test",
    "token-of-beta.2": "https://beta.test",
}


def test_a_token_goes_only_to_the_host_it_belongs_to(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In no combination of settings is a token combined with a host from another source."""
    found = 0
    hosts = (None, "alpha.test", "given.test", "variable.test")
    for default in (CONFIG, None):
        write(config_dir, config=default)
        for host, token, profile, *variables in itertools.product(
            hosts,
            (None, "token-given"),
            (None, "alpha", "gamma"),
            hosts,
            (None, "token-of-variable"),
            (None, "beta.2", "gamma"),
        ):
            names = ("OXIDE_HOST", "OXIDE_TOKEN", "OXIDE_PROFILE")
            told = {name: value for name, value in zip(names, variables, strict=True) if value is not None}
            set_variables(monkeypatch, told)
            try:
                configuration = oxide.Configuration.from_environment(host, token, profile)
            except oxide.ConfigurationError:
                continue
            found += 1
            chosen = str.__str__(configuration.access_token)
            of_its_own = {"token-given": host, "token-of-variable": told.get("OXIDE_HOST")}
            expected = TOKENS[chosen] or f"https://{of_its_own[chosen]}"
            assert configuration.host == expected, (host, token, profile, told)
            if chosen == "token-of-variable":
                assert (host, token, profile) == (None, None, None), told
    # with host and token; host of a profile; profile; from the environment; by default
    assert found == 2 * (3 * 24 + 24 + 24 + 5) + 1


@pytest.mark.parametrize("form", [str, Path])
def test_profiles_are_read_from_config_dir(form: type, tmp_path: Path, config_dir: Path) -> None:
    """With `config_dir`, no other directory is searched."""
    write(config_dir)
    other = tmp_path / "other"
    other.mkdir()
    write(other, '[profile.own]\nhost = "https://own.test"\ntoken = "t"\n', 'default-profile = "own"')
    assert oxide.Configuration.from_environment(config_dir=form(other)).host == "https://own.test"
    with pytest.raises(
        oxide.ConfigurationError, match=re.escape(f"{other}/credentials.toml has no such profile")
    ):
        oxide.Configuration.from_environment(profile="alpha", config_dir=form(other))


@pytest.mark.parametrize("value", ["", "nul\0", 5, b""], ids=repr)
def test_config_dir_must_be_a_path(value: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(oxide.ConfigurationError, match="config_dir must be a non-empty path"):
        oxide.Configuration.from_environment(profile="a", config_dir=value)


def test_xdg_config_home_is_ignored(
    config_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The official tools keep their files in `$HOME/.config/oxide` on every system, too."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    write(config_dir)
    assert oxide.Configuration.from_environment().host == "https://beta.test"


def test_without_a_home_directory_the_error_says_what_to_set() -> None:
    """A process without a home, as in a container, gets an error; it can use variables or arguments instead."""
    code = """
import os, sys
os.environ.pop("HOME", None)
sys.modules["pwd"] = None
import oxide
print(oxide.Configuration.from_environment(host="given.test", token="t").host)
print(oxide.Configuration.from_environment(config_dir="/nowhere", host="given.test", token="t").host)
try:
    oxide.Configuration.from_environment()
except oxide.ConfigurationError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == [
        "https://given.test",
        "https://given.test",
        "there is no home directory to find profiles in: set HOME, or give config_dir=",
    ], done.stderr


def test_settings_are_passed_to_the_configuration(config_dir: Path) -> None:
    """Other settings are given as in the constructor."""
    write(config_dir)
    configuration = oxide.Configuration.from_environment(profile="alpha", timeout=7, application=("job", "1"))
    assert (configuration.timeout, configuration.application) == (7, ("job", "1"))
    report = configuration.to_debug_report()
    assert "timeout: 7.0 (argument)" in report
    assert "read_timeout: 60.0 (default)" in report


def test_a_misspelled_setting_is_refused_before_any_file_is_read(config_dir: Path) -> None:
    """There are no files here, so reading them would be another error."""
    mistaken: dict[str, Any] = {"time_out": 7}
    another_name: dict[str, Any] = {"access_token": "t"}
    with pytest.raises(oxide.ApiTypeError, match=r"no setting 'time_out'; did you mean 'timeout'\?"):
        oxide.Configuration.from_environment(**mistaken)
    with pytest.raises(oxide.ApiTypeError, match="takes the token as token="):
        oxide.Configuration.from_environment(**another_name)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_credentials_that_others_may_read_cause_a_warning(mode: int, config_dir: Path) -> None:
    """The official CLI warns too; the warning points at the line of the program."""
    write(config_dir)
    (config_dir / "credentials.toml").chmod(mode)
    with pytest.warns(oxide.OxideWarning, match="can be read by other users") as caught:
        oxide.Configuration.from_environment()
    path = config_dir / "credentials.toml"
    (warning,) = caught
    assert (
        str(warning.message) == f"{path} can be read by other users (mode {mode:o}); run `chmod 600 {path}`"
    )
    assert warning.filename == __file__


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_only_its_user_can_read_gives_no_warning(mode: int, config_dir: Path) -> None:
    """A readable config.toml, which holds no secret, gives no warning either."""
    write(config_dir)
    (config_dir / "credentials.toml").chmod(mode)
    (config_dir / "config.toml").chmod(0o644)
    assert oxide.Configuration.from_environment().host == "https://beta.test"


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Move this process to another time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "WST+10")
        time.tzset()
        yield
    time.tzset()


EXPIRED = [
    '"2024-05-06 07:08:09 UTC"',
    '"2024-05-06 07:08:09.123456789 UTC"',
    '"2024-05-06T07:08:09Z"',
    '"2024-05-06 09:08:09 +02:00"',
    '"6 May 2024 07:08:09"',
    '"2024-05-06 07:08:09 XYZ"',
    "2024-05-06T07:08:09Z",
    "2024-05-06 07:08:09",
]


@pytest.mark.parametrize("text", EXPIRED)
def test_an_expired_token_causes_a_warning(text: str, config_dir: Path, far_west: None) -> None:
    """This holds for every way to write the time; the token is used anyway, since only the server knows."""
    write(config_dir, f'[profile.a]\nhost = "https://a.test"\ntoken = "t"\ntime_expires = {text}\n')
    with pytest.warns(oxide.OxideWarning, match="expired") as caught:
        configuration = oxide.Configuration.from_environment(profile="a")
    (warning,) = caught
    told = "the token of profile 'a' of .* expired at 2024-05-06 07:08:09 UTC; run `oxide auth login`"
    assert re.fullmatch(told, str(warning.message))
    assert warning.filename == __file__
    assert configuration.access_token == "t"


NOT_EXPIRED = [
    '"2038-01-19 03:14:08 UTC"', '"never"', '""', '"10"', '"in 5 days"', "5", "true", "[]", "2038-01-19", "9999-12-31",
    '"0001-01-01 00:00 +14:00"', '"2024-99-99"',
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_EXPIRED)
def test_a_token_that_has_not_expired_causes_no_warning(text: str, config_dir: Path) -> None:
    """Neither a time in the future nor a text that is not a time warns."""
    write(config_dir, f'[profile.a]\nhost = "https://a.test"\ntoken = "t"\ntime_expires = {text}\n')
    assert oxide.Configuration.from_environment(profile="a").access_token == "t"


@given(st.text() | st.from_regex(r"[0-9]{4}[-/ .:TZ0-9a-zA-Z+]*", fullmatch=True))
@example("9999203812345678901234567890h T")
@example("0001-01-01 00:00 +14:00")
def test_an_unreadable_expiry_time_is_ignored(text: str) -> None:
    """It is free text, which the official tools only show: it may cause no error and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moment = _expiry(text)
    assert moment is None or moment.tzinfo is not None


def test_from_environment_works_in_a_one_line_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ImagesApi.from_environment` makes a client, and closes it at the end of its `with` block."""
    with Simulator() as simulator:
        simulator.create_image("debian-13")
        set_variables(monkeypatch, {"OXIDE_HOST": simulator.url, "OXIDE_TOKEN": simulator.token})
        with oxide.ImagesApi.from_environment(timeout=20) as images:
            assert [image.name for image in images.image_list_iter()] == ["debian-13"]
            assert images.api_client.configuration.timeout == 20
        with pytest.raises(oxide.ApiValueError, match="closed"):
            images.image_list()


def test_with_leaves_open_a_client_that_was_passed_in() -> None:
    """Other code may still use it."""
    with Simulator() as simulator, oxide.ApiClient(simulator.configuration()) as client:
        with oxide.ImagesApi(client) as images:
            images.image_list()
        images.image_list()


def test_a_profile_alone_is_enough(config_dir: Path) -> None:
    """The token of the file reaches the host of the file."""
    with Simulator() as simulator:
        token = simulator.create_user("carol", "viewer")
        write(
            config_dir,
            f'[profile.lab]\nhost = "{simulator.url}/"\ntoken = "{token}"\n',
            'default-profile = "lab"',
        )
        with oxide.ImagesApi.from_environment() as images:
            images.image_list()
        assert simulator.requests[-1].user == "carol"


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""], ids=["with a byte order mark", "without"])
def test_files_written_by_windows_editors_are_read(mark: bytes, config_dir: Path) -> None:
    """They begin with a byte order mark, and end lines in two characters."""
    for name, text in (("credentials.toml", CREDENTIALS), ("config.toml", 'default-profile = "alpha"\n')):
        (config_dir / name).write_bytes(mark + text.replace("\n", "\r\n").encode())
        (config_dir / name).chmod(0o600)
    assert oxide.Configuration.from_environment().host == "https://alpha.test"


def test_the_configuration_knows_where_the_token_came_from(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint of a 401 needs it."""
    write(config_dir)
    set_variables(monkeypatch, {})
    by_profile = oxide.Configuration.from_environment(profile="alpha")
    assert by_profile._source("access_token") == f"profile 'alpha' of {config_dir / 'credentials.toml'}"
    set_variables(monkeypatch, VARIABLES)
    assert oxide.Configuration.from_environment()._source("access_token") == "OXIDE_HOST and OXIDE_TOKEN"
    by_argument = oxide.Configuration.from_environment("my.rack", "t")
    assert by_argument._source("access_token") == "argument"
    assert oxide.Configuration()._source("access_token") == "default"
    by_argument.access_token = None
    assert by_argument._source("access_token") == "argument"


def test_warnings_have_a_category_of_their_own(config_dir: Path) -> None:
    """Programs can filter them by it."""
    write(config_dir)
    (config_dir / "credentials.toml").chmod(0o644)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", oxide.OxideWarning)
        oxide.Configuration.from_environment(profile="alpha")
    assert issubclass(oxide.OxideWarning, UserWarning)
