"""Secrets are seen nowhere: each is planted wherever one can be given, and every channel is searched for it.

A case does something that fails, with all secrets in place: a constructor, an assignment, a call. What is searched
then: standard output and error; every record of every logger at DEBUG; warnings; the exceptions with all that hangs on
them, pickled too; the `repr` of every local variable of every frame of this package in their tracebacks; and what the
objects tell of themselves.
"""

import copy
import functools
import http.client
import json
import logging
import os
import pickle
import pprint
import ssl
import sys
import traceback
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, cast

import pytest
from authority import KEY_PASSWORD, Authority

import oxide
from identity.reporters import REPORTERS, as_error, chain, of_package
from identity.servers import Recorder, proxy
from oxide.testing import Answer, Drop, Simulator, Truncate

PACKAGE = str(Path(oxide.__file__).parent) + os.sep
# The simulator is the server's side, and knows its tokens.
SERVER_SIDE = PACKAGE + "testing" + os.sep

MARK = "Hunter2"
TOKEN = f"oxide-token-{MARK}-configured"
CALL_TOKEN = f"oxide-token-{MARK}-call"
COOKIE = f"session={MARK}-cookie"
PROXY_PASSWORD = f"{MARK}-proxy"
PROXY_AUTHORIZATION = "Basic " + b64encode(f"user:{PROXY_PASSWORD}".encode()).decode()
HEADERS = {"X-Key": f"{MARK}-header", "X-Other": f"{MARK}-other"}
OPTIONS: dict[str, Any] = {"_request_auth": CALL_TOKEN, "_headers": HEADERS}
WELL_FORMED = f"oxide-token-{MARK}{'0' * 40}"
POSITIONAL: Any = oxide.Configuration
MISSPELLED: dict[str, Any] = {"token": CALL_TOKEN}
AS_BYTES: dict[str, Any] = {"X-Key": MARK.encode()}


def forms(secret: str) -> set[str]:
    """Return the forms of a secret: unchanged, in other cases, and in base64 at any offset."""
    found = {secret, secret.upper(), secret.lower()}
    for offset in range(3):
        # Only the digits that depend on nothing but the secret.
        encoded = b64encode(b"\0" * offset + secret.encode() + b"\0" * 2).decode()
        found.add(encoded[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6])
    return found


NEEDLES = forms(MARK) | forms(KEY_PASSWORD) | {PROXY_AUTHORIZATION.removeprefix("Basic ")}


@dataclass
class Channels:
    """Everything that was emitted, by channel."""

    said: list[tuple[str, str]] = field(default_factory=list)
    frames: int = 0
    expected: set[str] = field(default_factory=set)

    def say(self, channel: str, *things: object) -> None:
        """Add text, or the `str` and the `repr` of other things."""
        for thing in things:
            self.said += [(channel, str(thing)), (channel, repr(thing))]

    def leaks(self) -> set[str]:
        """Return the channels on which a secret was said."""
        return {channel for channel, text in self.said if any(needle in text for needle in NEEDLES)}

    def search_error(self, error: BaseException) -> None:
        """Add all that an exception holds, and those that it came from."""
        for link in chain(error):
            kind = type(link).__name__
            self.say(f"{kind}", link, link.args, vars(link), *vars(link).values())
            self.say(
                f"{kind} in full",
                "".join(traceback.TracebackException.from_exception(link).format_exception_only()),
            )
            for name, value in pickled(link):
                self.say(f"{kind} {name}", value)
            self.search_traceback(link.__traceback__)

    def search_traceback(self, trace: TracebackType | None) -> None:
        """Add the local variables of the frames of this package."""
        while trace is not None:
            self.search_frame(trace.tb_frame)
            trace = trace.tb_next

    def search_frame(self, frame: FrameType) -> None:
        """Add the local variables of a frame, if it is one of this package."""
        path = frame.f_code.co_filename
        if path.startswith(PACKAGE) and not path.startswith(SERVER_SIDE):
            self.frames += 1
            place = f"{path.removeprefix(PACKAGE)}, {frame.f_code.co_qualname}"
            for name, value in frame.f_locals.items():
                self.say(f"local variable {name} of {place}", value)
                self.say(f"local variable {name} of {place}, printed", pprint.pformat(value))
                if isinstance(value, dict):
                    self.say(f"local variable {name} of {place}, item by item", *value.values())


def pickled(thing: object) -> Iterator[tuple[str, bytes]]:
    """Yield what a pickle of a thing would hold, unless it does not pickle."""
    with suppress(TypeError, AttributeError, pickle.PicklingError):
        yield "pickled", pickle.dumps(thing)


class _Everything(logging.Handler):
    """A log handler that keeps everything in every record."""

    def __init__(self, channels: Channels) -> None:
        super().__init__(logging.NOTSET)
        self._channels = channels

    def emit(self, record: logging.LogRecord) -> None:
        name = f"logger {record.name}"
        self._channels.say(name, record.getMessage(), record.args, vars(record), self.format(record))
        if record.exc_info and record.exc_info[1] is not None:
            self._channels.search_error(record.exc_info[1])


@pytest.fixture
def channels(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[Channels]:
    """Make every channel as verbose as possible, and search all of them at the end."""
    found = Channels()
    handler = _Everything(found)
    logging.root.addHandler(handler)
    for name in (None, "oxide", *logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, name)
    # Somebody may have set it for another library.
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield found
    logging.root.removeHandler(handler)
    for warning in warned:
        found.say("warning", warning.message, warning)
    output, errors = capfd.readouterr()
    found.say("standard output", output)
    found.say("standard error", errors)
    assert found.leaks() == found.expected


@dataclass(frozen=True)
class Scene:
    """A simulator, a proxy that wants a password, and settings with a secret in each place that takes one."""

    simulator: Simulator
    carrying: Recorder
    settings: dict[str, Any]
    directory: Path
    clients: ExitStack

    def client(self, **changes: Any) -> oxide.ApiClient:
        """Return a client with secrets in its default headers too."""
        configuration = oxide.Configuration(**{**self.settings, **changes})
        client = oxide.ApiClient(configuration, "X-Default", f"{MARK}-default", COOKIE, sleep=lambda _: None)
        self.clients.enter_context(client)
        client.set_default_header("Authorization", f"Bearer {MARK}-default")
        return client

    def images(self, **changes: Any) -> oxide.ImagesApi:
        """Return the API of such a client."""
        return oxide.ImagesApi(self.client(**changes))

    def failing(self, fault: Any, times: int = 9) -> oxide.ImagesApi:
        """Return an API whose calls fail in that way."""
        self.simulator.fail_next(fault, times)
        return self.images()


@pytest.fixture
def tunnelled() -> bool:
    """Tell whether the simulator is reached by TLS, through a tunnel of the proxy, or else by plain HTTP."""
    return False


@pytest.fixture
def scene(tunnelled: bool, authority: Authority, tmp_path: Path) -> Iterator[Scene]:
    """Run a simulator behind a proxy."""
    tls = authority.server_context("127.0.0.1") if tunnelled else None
    logger = logging.getLogger("oxide")
    with ExitStack() as stack:
        # `debug=True` below sets it.
        stack.callback(logger.setLevel, logger.level)
        simulator = stack.enter_context(Simulator(tls=tls))
        simulator.create_project("my-project")
        carrying = stack.enter_context(proxy({"127.0.0.1": "127.0.0.1"}, authorization=PROXY_AUTHORIZATION))
        settings = {
            "host": simulator.url,
            "access_token": TOKEN,
            "ca_cert_data": authority.pem,
            "cert_file": authority.path("client.pem"),
            "key_file": authority.path("client-encrypted.key"),
            "key_password": KEY_PASSWORD,
            "proxy": carrying.url.replace("://", f"://user:{PROXY_PASSWORD}@"),
            "proxy_headers": {"X-Key": f"{MARK}-proxy-header"},
            "debug": True,
            "max_retries": 1,
        }
        yield Scene(simulator, carrying, settings, tmp_path, stack)


NEW_IMAGE = {
    "name": "a",
    "description": "",
    "os": "",
    "version": "",
    "source": {"type": "snapshot", "id": "0" * 32},
}


def locked() -> str:
    """Fail like a vault."""
    message = "the vault is locked"
    raise PermissionError(message)


def broken(_: object) -> None:
    """Fail like a broken hook."""
    message = "no metrics today"
    raise RuntimeError(message)


def interrupted(_: object) -> None:
    """Raise KeyboardInterrupt, as Ctrl-C does."""
    raise KeyboardInterrupt


def unread(scene: Scene, fault: Any) -> None:
    """Open a response, and fail while it is read."""
    scene.simulator.fail_next(fault)
    with scene.images(max_response_bytes=20).image_list_without_preload_content(**OPTIONS) as response:
        response.read()


def after_close(scene: Scene) -> None:
    """Use a client after it is closed."""
    images = scene.images()
    images.api_client.close()
    images.image_list(**OPTIONS)


def with_token(token: Any) -> Callable[[Scene], object]:
    """Return a case: a call with another token."""
    return lambda scene: scene.images(access_token=token).image_list()


def with_option(**options: Any) -> Callable[[Scene], object]:
    """Return a case: a call with other options."""
    return lambda scene: scene.images().image_list(**{**OPTIONS, **options})


def with_setting(**settings: Any) -> Callable[[Scene], object]:
    """Return a case: a configuration with other settings."""
    return lambda scene: oxide.Configuration(**{**scene.settings, **settings})


def assigned(name: str, value: Any, *, live: bool = False) -> Callable[[Scene], object]:
    """Return a case: the assignment of a setting, before or after a client was made."""

    def assign(scene: Scene) -> None:
        configuration = oxide.Configuration(**scene.settings)
        if live:
            oxide.ApiClient(configuration).close()
        setattr(configuration, name, value)

    return assign


def from_environment(credentials: str = "", mode: int = 0o600, **arguments: Any) -> Callable[[Scene], object]:
    """Return a case: `ImagesApi.from_environment` with these files, variables in capitals and arguments."""
    return functools.partial(
        _from_environment, oxide.ImagesApi.from_environment, credentials, mode, arguments
    )


def configuration_from_environment(**arguments: Any) -> Callable[[Scene], object]:
    """Return a case: `Configuration.from_environment`."""
    return functools.partial(_from_environment, oxide.Configuration.from_environment, "", 0o600, arguments)


def _from_environment(
    make: Callable[..., object], credentials: str, mode: int, arguments: dict[str, Any], scene: Scene
) -> None:
    (scene.directory / "config.toml").write_text('default-profile = "a"')
    file = scene.directory / "credentials.toml"
    file.write_text(credentials)
    file.chmod(mode)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in arguments if name.isupper()]:
            patch.setenv(name, arguments[name])
        given = {name: value for name, value in arguments.items() if not name.isupper()}
        warnings.simplefilter("error", oxide.OxideWarning)
        make(config_dir=scene.directory, **given)


def profile(**entries: str) -> str:
    """Return `credentials.toml` with one profile."""
    return "[profile.a]\n" + "".join(f"{key} = {value!r}\n" for key, value in entries.items())


def _pull(iterator: Any) -> object:
    return next(iter(iterator))


CALLS: dict[str, Callable[[Scene], object]] = {
    # failures of the server or of the connection
    "401": lambda scene: scene.images().image_list(),
    "401 of another form": lambda scene: scene.images().image_list_with_http_info(**OPTIONS),
    "404": lambda scene: scene.images(access_token=scene.simulator.token).image_view("no-such-image"),
    "error in the server": lambda scene: scene.failing(Answer(500, b"oops")).image_list(**OPTIONS),
    "503 to the end": lambda scene: scene.failing(Answer(503)).image_list(**OPTIONS),
    "429 for too long": lambda scene: scene.failing(Answer(429, headers={"Retry-After": "9999"})).image_list(**OPTIONS),
    "redirect": lambda scene: scene.failing(Answer(302, headers={"Location": "https://login.test"})).image_list(),
    "no JSON": lambda scene: scene.failing(Answer(200, b"<html>")).image_list(**OPTIONS),
    "no page": lambda scene: scene.failing(Answer(200, b'{"items": 5}')).image_list(**OPTIONS),
    "no body": lambda scene: scene.failing(Answer(200)).image_view("a", **OPTIONS),
    "dropped": lambda scene: scene.failing(Drop()).image_list(**OPTIONS),
    "reset": lambda scene: scene.failing(Drop(reset=True)).image_delete("a", **OPTIONS),
    "cut": lambda scene: scene.failing(Truncate(5)).image_list(**OPTIONS),
    "too large": lambda scene: scene.images(
        access_token=scene.simulator.token, max_response_bytes=5
    ).image_list(),
    "cut, while it is read": lambda scene: unread(scene, Truncate(5)),
    "too large, while it is read": lambda scene: unread(scene, Answer(200, b"x" * 100)),
    "pager": lambda scene: _pull(scene.failing(Answer(500)).image_list_iter("my-project", **OPTIONS)),
    "pages": lambda scene: _pull(scene.failing(Answer(500)).image_list_iter(**OPTIONS).pages()),
    "ensure": lambda scene: scene.failing(Answer(500)).image_ensure(NEW_IMAGE, "my-project", **OPTIONS),
    "create": lambda scene: scene.images().image_create(NEW_IMAGE, "my-project", **OPTIONS),
    "promote": lambda scene: scene.images().image_promote("a", "my-project", **OPTIONS),
    "demote": lambda scene: scene.images().image_demote("a", "my-project", **OPTIONS),
    "refused by the proxy": lambda scene: scene.images(proxy_headers={"Proxy-Authorization": MARK}).image_list(),
    "host unknown to the proxy": lambda scene: scene.images(
        host=f"https://{MARK.lower()[:3]}.test", proxy_headers=None
    ).image_list(),
    "no proxy there": lambda scene: scene.images(proxy=f"http://user:{PROXY_PASSWORD}@127.0.0.1:9").image_list(),
    "no server there": lambda scene: scene.images(host="http://127.0.0.1:9", proxy="").image_list(**OPTIONS),
    "no such name": lambda scene: scene.images(host="https://rack.invalid", proxy="").image_list(**OPTIONS),
    "untrusted": lambda scene: scene.images(
        host=scene.simulator.url.replace("http:", "https:"), ca_cert_data=None, proxy=""
    ).image_list(**OPTIONS),
    "no time": lambda scene: scene.images().image_list(_request_timeout=1e-9, **OPTIONS),
    # refusals before anything is sent
    "plain http": lambda scene: scene.images(host="http://rack.test").image_list(**OPTIONS),
    "closed": after_close,
    "bad argument": lambda scene: scene.images().image_view("No Such", **OPTIONS),
    "bad argument of another type": lambda scene: scene.images().image_list(**{"limit": "5", **OPTIONS}),
    "bad body": lambda scene: scene.images().image_create({"name": "A"}, **OPTIONS),
    "bad body of ensure": lambda scene: scene.images().image_ensure({"name": "A"}, **OPTIONS),
    "bad time limit": with_option(_request_timeout="5"),
    "misspelled option": with_option(_request_autth=CALL_TOKEN),
    "misspelled option with headers": with_option(headers=HEADERS),
    "misspelled option of the pager": lambda scene: _pull(scene.images().image_list_iter(**MISSPELLED)),
    "misspelled option of ensure": lambda scene: scene.images().image_ensure(NEW_IMAGE, **MISSPELLED),
    "bad header": with_option(_headers={"X-Key": f"{MARK}\r\n"}),
    "bad header name": with_option(_headers={"X Key": MARK}),
    "bad header type": with_option(_headers={"X-Key": MARK.encode()}),
    "header of the transport": with_option(_headers={"Connection": MARK}),
    "headers as text": with_option(_headers=f"X-Key: {MARK}"),
    "headers as pairs": with_option(_headers=[("X-Key", MARK)]),
    "_request_auth with a space": with_option(_request_auth=f"{CALL_TOKEN} {MARK}"),
    "_request_auth as bytes": with_option(_request_auth=CALL_TOKEN.encode()),
    "_request_auth as a dict": with_option(_request_auth={"value": CALL_TOKEN}),
    "_request_auth of a partial": with_option(_request_auth=functools.partial(str, CALL_TOKEN)),
    "_request_auth of a callable with a space": with_option(_request_auth=lambda: f"{CALL_TOKEN} {MARK}"),
    "_request_auth of a callable as bytes": with_option(_request_auth=CALL_TOKEN.encode),
    "token of a partial": with_token(functools.partial(str, TOKEN)),
    "token of a callable with a line": with_token(lambda: f"{TOKEN}\n{MARK}"),
    "token of a callable as bytes": with_token(TOKEN.encode),
    "token of a callable that fails": with_token(locked),
    # the hook
    "hook that fails": lambda scene: scene.images(on_attempt=broken).image_list(**OPTIONS),
    "hook that is interrupted": lambda scene: scene.images(on_attempt=interrupted).image_list(**OPTIONS),
}  # fmt: skip

WITHOUT_CALLS: dict[str, Callable[[Scene], object]] = {
    # constructors and assignments
    "token with a space": with_setting(access_token=f"{TOKEN} {MARK}"),
    "token as bytes": with_setting(access_token=TOKEN.encode()),
    "token as a dict": with_setting(access_token={"token": TOKEN}),
    "token with 'Bearer'": with_setting(access_token=f"Bearer {TOKEN}"),
    "misspelled token": with_setting(acces_token=TOKEN),
    "misspelled password": with_setting(password=MARK),
    "dropped setting": with_setting(api_key={"key": MARK}),
    "key password wrong": with_setting(key_password=f"{MARK}-key"),
    "key password as bytes": with_setting(key_password=MARK.encode()),
    "key password alone": with_setting(cert_file=None, key_file=None),
    "key missing": with_setting(key_file="/nowhere/client.key"),
    "proxy by SOCKS": with_setting(proxy=f"socks5://user:{PROXY_PASSWORD}@proxy.test"),
    "proxy of no scheme": with_setting(proxy=f"{MARK}://proxy.test"),
    "proxy without a host": with_setting(proxy=f"http://user:{PROXY_PASSWORD}@"),
    "proxy with a bad port": with_setting(proxy=f"http://user:{PROXY_PASSWORD}@proxy.test:x"),
    "proxy with the password in its place": with_setting(proxy=f"http://user:{PROXY_PASSWORD}"),
    "proxy as bytes": with_setting(proxy=f"http://user:{PROXY_PASSWORD}@proxy.test".encode()),
    "proxy headers as text": with_setting(proxy_headers=f"X-Key: {MARK}"),
    "proxy headers, bad": with_setting(proxy_headers={"X-Key": f"{MARK}\n"}),
    "host with a password": with_setting(host=f"https://user:{MARK}@rack.test"),
    "host with a query": with_setting(host=f"https://rack.test?token={MARK}"),
    "another setting wrong": with_setting(timeout=-1),
    "settings at odds": with_setting(ssl_context=ssl.create_default_context()),
    "token assigned with a space": assigned("access_token", f"{TOKEN} {MARK}"),
    "token assigned as bytes": assigned("access_token", TOKEN.encode(), live=True),
    "token assigned with a line, live": assigned("access_token", f"{TOKEN}\n{MARK}", live=True),
    "token assigned, misspelled": assigned("acces_token", TOKEN),
    "proxy assigned": assigned("proxy", f"ftp://user:{PROXY_PASSWORD}@proxy.test"),
    "proxy assigned, live": assigned("proxy", f"http://user:{PROXY_PASSWORD}@proxy.test", live=True),
    "proxy headers assigned": assigned("proxy_headers", {"X-Key": f"{MARK}\n"}),
    "proxy headers assigned as text": assigned("proxy_headers", f"X-Key: {MARK}"),
    "key password assigned": assigned("key_password", MARK.encode()),
    "key password assigned, live": assigned("key_password", MARK, live=True),
    "host assigned": assigned("host", f"https://user:{MARK}@rack.test"),
    "default header": lambda scene: scene.client().set_default_header("X-Key", f"{MARK}\n"),
    "default header by item": lambda scene: scene.client().default_headers.__setitem__("X Key", MARK),
    "default header as bytes": lambda scene: scene.client().default_headers.update(AS_BYTES),
    "header of the constructor": lambda scene: oxide.ApiClient(
        oxide.Configuration(**scene.settings), "X-Key", f"{MARK}\n"
    ),
    "cookie of the constructor": lambda scene: oxide.ApiClient(
        oxide.Configuration(**scene.settings), cookie=f"{MARK}\n"
    ),
    "constructor of a client": lambda scene: oxide.ApiClient(
        _with_missing_file(oxide.Configuration(**scene.settings)), "X-Key", MARK, COOKIE
    ),
    # the official chain
    "token without a host": from_environment(token=TOKEN),
    "token and profile": from_environment(token=TOKEN, profile="a"),
    "bad token": from_environment(token=f"{TOKEN} {MARK}", host="rack.test"),
    "bad setting": from_environment(token=TOKEN, host="rack.test", timeout=-1, proxy=f"http://user:{MARK}@proxy.test"),
    "misspelled setting": from_environment(token=TOKEN, host="rack.test", key_pasword=MARK),
    "access_token": from_environment(access_token=TOKEN, host="rack.test"),
    "password in the host": from_environment(token=TOKEN, host=f"https://user:{MARK}@rack.test"),
    "OXIDE_TOKEN alone": from_environment(OXIDE_TOKEN=TOKEN),
    "OXIDE_TOKEN with a bad OXIDE_HOST": from_environment(OXIDE_TOKEN=TOKEN, OXIDE_HOST="ftp://rack.test"),
    "OXIDE_HOST with a password": from_environment(OXIDE_TOKEN=TOKEN, OXIDE_HOST=f"https://user:{MARK}@rack.test"),
    "OXIDE_TOKEN with a space": from_environment(OXIDE_TOKEN=f"{TOKEN} {MARK}", OXIDE_HOST="rack.test"),
    "OXIDE_HOST and OXIDE_PROFILE": from_environment(OXIDE_TOKEN=TOKEN, OXIDE_HOST="rack.test", OXIDE_PROFILE="a"),
    "OXIDE_HOST unknown": from_environment(profile_of := profile(host="b.test", token=TOKEN), OXIDE_HOST="c.test"),
    "HTTPS_PROXY by SOCKS": from_environment(
        token=TOKEN, host="rack.test", HTTPS_PROXY=f"socks5://user:{PROXY_PASSWORD}@proxy.test"
    ),
    "HTTPS_PROXY with resolve": from_environment(
        token=TOKEN, host="rack.test", resolve={"rack.test": "127.0.0.1"},
        HTTPS_PROXY=f"http://user:{PROXY_PASSWORD}@proxy.test",
    ),
    "profile unknown": from_environment(profile_of, profile="b"),
    "profile without a host": from_environment(profile(token=TOKEN)),
    "profile with a misspelled token": from_environment(profile(host="rack.test", tokn=TOKEN)),
    "profile with a token in a list": from_environment(f"[profile.a]\nhost = 'rack.test'\ntoken = ['{TOKEN}']"),
    "profile with a bad token": from_environment(profile(host="rack.test", token=f"{TOKEN} {MARK}")),
    "profile with a bad host": from_environment(profile(host=f"https://user:{MARK}@rack.test", token=TOKEN)),
    "profiles malformed": from_environment(f"{profile_of}token = {TOKEN}"),
    "profiles of another shape": from_environment(f"profile = '{TOKEN}'"),
    "profiles as text": from_environment(f"{profile_of}[profile]\nb = '{TOKEN}'"),
    "profile expired, which is an error": from_environment(
        profile(host="rack.test", token=TOKEN, time_expires="2024-05-06 07:08:09 UTC")
    ),
    "profiles readable, which is an error": from_environment(profile_of, mode=0o644),
    "configuration: bad setting": configuration_from_environment(
        token=TOKEN, host="rack.test", timeout=-1, proxy=f"http://user:{MARK}@proxy.test", key_password=MARK
    ),
    "configuration: password in the host": configuration_from_environment(
        token=TOKEN, host=f"https://user:{MARK}@rack.test"
    ),
    "configuration: token as bytes": configuration_from_environment(token=TOKEN.encode(), host="rack.test"),
    # serialization
    "pickled configuration": lambda scene: pickle.dumps(oxide.Configuration(**scene.settings)),
    "pickled client": lambda scene: pickle.dumps(scene.client()),
    "pickled API": lambda scene: pickle.dumps(scene.images()),
    "pickled headers": lambda scene: pickle.dumps(scene.client().default_headers),
}  # fmt: skip


def _with_missing_file(configuration: oxide.Configuration) -> oxide.Configuration:
    configuration.ssl_ca_cert = "/nowhere/ca.pem"
    return configuration


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("tunnelled", [False, True], ids=["forwarded", "tunnelled"])
def test_a_failed_call_reveals_no_secret(case: str, scene: Scene, channels: Channels) -> None:
    """The call goes through the proxy in either way."""
    fail(CALLS[case], scene, channels)


@pytest.mark.parametrize("case", WITHOUT_CALLS)
def test_no_other_failure_reveals_a_secret(case: str, scene: Scene, channels: Channels) -> None:
    """Constructors, assignments, the official chain, pickling."""
    fail(WITHOUT_CALLS[case], scene, channels)


def fail(case: Callable[[Scene], object], scene: Scene, channels: Channels) -> None:
    """Run a case, and search its exception."""
    try:
        case(scene)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is searched
        channels.search_error(error)
    assert channels.frames > 0, "nothing failed in a frame of this package"


@pytest.mark.parametrize("tunnelled", [False, True], ids=["forwarded", "tunnelled"])
def test_frames_in_the_middle_of_a_call_reveal_no_secret(scene: Scene, channels: Channels) -> None:
    """A profiler or debugger may look there: from the token callable, the hook, and the backoff between attempts."""

    def look(*_: object) -> str:
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            channels.search_frame(frame)
            frame = frame.f_back
        return scene.simulator.token

    scene.simulator.fail_next(Answer(503))
    configuration = oxide.Configuration(**{**scene.settings, "access_token": look, "on_attempt": look})
    with oxide.ApiClient(configuration, "X-Default", f"{MARK}-default", COOKIE, sleep=look) as client:
        images = oxide.ImagesApi(client)
        images.image_list(_headers=HEADERS)
        list(images.image_list_iter(_headers=HEADERS))
        images.image_list(_request_auth=look)
        with pytest.raises(oxide.UnauthorizedException):
            images.image_list(**OPTIONS)
    assert len(scene.carrying.received) >= 1
    assert channels.frames > 20


def test_no_object_reveals_a_secret(scene: Scene, channels: Channels) -> None:
    """Neither in what they say of themselves, nor in their attributes, nor in their copies."""
    client = scene.client(access_token=functools.partial(str, TOKEN))
    images = oxide.ImagesApi(client)
    fixed = client.configuration
    simple = oxide.Configuration(access_token=TOKEN)
    for configuration in (fixed, simple):
        for twin in (configuration, copy.copy(configuration), copy.deepcopy(configuration)):
            channels.say("configuration", twin, f"{twin}", pprint.pformat(vars(twin)))
            channels.say("report", twin.to_debug_report())
            channels.say("vars", vars(twin), *vars(twin).values())
            # These read as the value that was set.
            for name in sorted({*dir(twin)} - {"access_token", "key_password", "proxy", "proxy_headers"}):
                value = getattr(twin, name)
                channels.say(f"attribute {name}", value, f"{value}", f"{value!s:>100}")
    headers = client.default_headers
    attributes = {name: getattr(client, name) for name in client.__slots__}
    for thing in (client, images, headers, dict(headers), list(headers.items()), attributes, vars(images)):
        channels.say(type(thing).__name__, thing, pprint.pformat(thing), *pickled_values(thing))
    channels.say("JSON", json.dumps([vars(simple), vars(fixed)], default=repr))
    with pytest.raises(oxide.UnauthorizedException):
        images.image_list(**OPTIONS)


# Every way to give a secret, in a call that fails and in a call that is refused because of it.
SPOILED = f"{TOKEN} {MARK}\n"
WAYS: dict[str, Callable[[Scene], object]] = {
    "access_token": with_token(TOKEN),
    "access_token, spoiled": with_token(SPOILED),
    "access_token from a callable": with_token(functools.partial(str, TOKEN)),
    "access_token from a callable, spoiled": with_token(functools.partial(str, SPOILED)),
    "access_token assigned": assigned("access_token", SPOILED),
    "access_token assigned under a wrong name": assigned("acces_token", TOKEN),
    "access_token under a wrong name": with_setting(acces_token=TOKEN),
    "access_token by position": lambda scene: POSITIONAL(scene.settings["host"], TOKEN),
    "access_token in place of the host": lambda scene: POSITIONAL(WELL_FORMED, access_token="https://my.rack"),
    "access_token and host the wrong way round": from_environment(host=WELL_FORMED, token="https://my.rack"),
    "access_token in place of a path": with_setting(ssl_ca_cert=WELL_FORMED),
    "_request_auth": with_option(_headers={}),
    "_request_auth, spoiled": with_option(_request_auth=SPOILED),
    "_request_auth from a callable": with_option(_request_auth=functools.partial(str, TOKEN)),
    "_request_auth from a callable, spoiled": with_option(_request_auth=functools.partial(str, SPOILED)),
    "_request_auth under a wrong name": with_option(_request_aut=TOKEN),
    "_headers": with_option(_headers={"Authorization": f"Bearer {TOKEN}"}),
    "_headers, spoiled": with_option(_headers={"Authorization": f"Bearer {SPOILED}"}),
    "_headers, in the name": with_option(_headers={f"Authorization: Bearer {TOKEN}": "x"}),
    "_headers, with name and value swapped": with_option(_headers={WELL_FORMED: "Authorization"}),
    "set_default_header": lambda scene: scene.client().set_default_header("Authorization", SPOILED),
    "set_default_header, swapped": lambda scene: scene.client().set_default_header(WELL_FORMED, "X-Key"),
    "default_headers by item": lambda scene: scene.client().default_headers.__setitem__("X-Key", SPOILED),
    "default_headers.update": lambda scene: scene.client().default_headers.update({"Authorization": SPOILED}),
    "default_headers.update by name": lambda scene: scene.client().default_headers.update(authorization=SPOILED),
    "default_headers.update with pairs": lambda scene: scene.client().default_headers.update([("X-Key", SPOILED)]),
    "default_headers.update with text": lambda scene: cast("Any", scene.client().default_headers).update(TOKEN),
    "default_headers.setdefault": lambda scene: scene.client().default_headers.setdefault("X-New", SPOILED),
    "a header of the constructor, swapped": lambda scene: oxide.ApiClient(
        oxide.Configuration(**scene.settings), WELL_FORMED, "X-Key"
    ),
    "a header of the constructor": lambda scene: oxide.ApiClient(
        oxide.Configuration(**scene.settings), "X-Key", SPOILED
    ),
    "the cookie of the constructor": lambda scene: oxide.ApiClient(
        oxide.Configuration(**scene.settings), cookie=SPOILED
    ),
    "token=": from_environment(token=SPOILED, host="rack.test"),
    "token= of Configuration": configuration_from_environment(token=SPOILED, host="rack.test"),
    "token= under a wrong name": from_environment(tokn=TOKEN, host="rack.test"),
    "OXIDE_TOKEN": from_environment(OXIDE_TOKEN=TOKEN),
    "OXIDE_TOKEN, spoiled": from_environment(OXIDE_TOKEN=f"{TOKEN} {MARK}", OXIDE_HOST="rack.test"),
    "OXIDE_TOKEN, in quotes": from_environment(OXIDE_TOKEN=f"'{TOKEN}'", OXIDE_HOST="rack.test"),
    "a profile": from_environment(profile(host="rack.test", token=SPOILED)),
    "a profile under a wrong key": from_environment(profile(host="rack.test", tokn=TOKEN)),
    "a profile without a host": from_environment(profile(token=TOKEN)),
    "key_password": with_setting(key_password=MARK),
    "key_password as bytes": with_setting(key_password=MARK.encode()),
    "a private key in place of its path": with_setting(key_file=f"-----BEGIN PRIVATE KEY-----\n{MARK}"),
    "proxy": with_setting(proxy=f"ftp://user:{PROXY_PASSWORD}@proxy.test"),
    "proxy, assigned": assigned("proxy", f"ftp://user:{PROXY_PASSWORD}@proxy.test"),
    "proxy_headers": with_setting(proxy_headers={"Proxy-Authorization": SPOILED}),
    "HTTPS_PROXY": from_environment(
        token=TOKEN, host="rack.test", HTTPS_PROXY=f"socks5://user:{PROXY_PASSWORD}@proxy.test"
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_no_error_reporter_shows_a_secret(way: str, scene: Scene) -> None:
    """This holds for every way to give a secret, and for ten reporters that show as many locals as they can."""
    try:
        WAYS[way](scene)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is reported
        caught = of_package(error, PACKAGE)
    told = {name: report(caught) for name, report in REPORTERS.items()}
    assert all(told.values())
    assert {name for name, text in told.items() if any(needle in text for needle in NEEDLES)} == set()


def test_no_error_reporter_shows_a_secret_of_a_running_call(scene: Scene) -> None:
    """The stacks are dumped from the token callable, the hook, and the backoff between attempts."""
    told: dict[str, str] = {}

    def look(*_: object) -> str:
        stack: list[FrameType] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(PACKAGE) and not path.startswith(SERVER_SIDE):
                stack.append(frame)
            frame = frame.f_back
        error = as_error(stack)
        for name, report in REPORTERS.items():
            told[name] = told.get(name, "") + report(error)
        return scene.simulator.token

    scene.simulator.fail_next(Answer(503))
    configuration = oxide.Configuration(**{**scene.settings, "access_token": look, "on_attempt": look})
    with oxide.ApiClient(configuration, "X-Default", f"{MARK}-default", COOKIE, sleep=look) as client:
        oxide.ImagesApi(client).image_list(_headers=HEADERS)
        oxide.ImagesApi(client).image_list(_request_auth=look)
    needles = NEEDLES | {scene.simulator.token}
    assert {name for name, text in told.items() if any(needle in text for needle in needles)} == set()


# Looks for the secrets of a request in its response.
COMPARING = str(Path(PACKAGE, "_call", "echo.py"))


class Watcher:
    """A trace function that searches the local variables for plain secrets at every line of this package."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(PACKAGE) or path.startswith(SERVER_SIDE) or path == COMPARING:
            return None
        self.lines += 1
        for value in frame.f_locals.values():
            # Even the `repr` of an object under construction may fail.
            with suppress(AttributeError, ValueError):
                shown = repr(value) + (value.decode("latin-1") if isinstance(value, bytes) else "")
                if any(needle in shown for needle in NEEDLES):
                    self.found.add(frame.f_code.co_qualname.partition(".<locals>")[0])
        return self


# Functions that get plain text and mask it first, or that parse the URL of a proxy.
DOORS = {"ApiClient.__init__", "Headers.update", "SecretSource.__init__"}
MASKING = {"masked", "masked_name", "_masked_pairs", "Secret.__new__"}
PARSING = {"_proxy_or_problem", "_basic"}
HAVE_TO = DOORS | MASKING | PARSING


@pytest.mark.parametrize("tunnelled", [False, True], ids=["forwarded", "tunnelled"])
def test_only_the_expected_lines_hold_a_secret_in_plain_text(scene: Scene) -> None:
    """So neither Ctrl-C nor a dump of all stacks finds a secret in a frame of this package, at any moment."""
    watcher = Watcher()
    read = functools.partial(str, TOKEN)
    configuration = oxide.Configuration(**{**scene.settings, "access_token": read})
    before = sys.gettrace()
    sys.settrace(watcher)
    try:
        client = oxide.ApiClient(configuration, "X-Default", f"{MARK}-default", COOKIE)
        with suppress(oxide.UnauthorizedException):
            oxide.ImagesApi(client).image_list()
        client.default_headers.update({"X-New": f"{MARK}-new"})
    finally:
        sys.settrace(before)
        scene.clients.callback(client.close)
    assert watcher.lines > 1000
    assert watcher.found - HAVE_TO == set()


def test_every_error_reporter_shows_an_ordinary_local_variable(tmp_path: Path) -> None:
    """Otherwise the tests that it shows no secret would prove nothing."""
    names: dict[str, Any] = {}
    planted = tmp_path / "planted.py"
    planted.write_text(f"def leak():\n    found = {TOKEN!r}\n    raise ValueError(len(found))\n")
    exec(compile(planted.read_text(), planted, "exec"), names)
    with pytest.raises(ValueError, match=str(len(TOKEN))) as caught:
        names["leak"]()
    error = of_package(caught.value, str(tmp_path))
    assert {name for name, report in REPORTERS.items() if TOKEN not in report(error)} == set()


def pickled_values(thing: object) -> list[bytes]:
    """Return what a pickle of a thing would hold, if it pickles."""
    return [value for _, value in pickled(thing)]


# What a search in the right places finds.
PLANTED = f"""
def leak(kind):
    secret = {TOKEN!r}
    if kind == "local variable":
        raise ValueError("here")
    if kind == "cause":
        try:
            raise KeyError(1)
        except KeyError as error:
            raise ValueError("here") from error
    raise ValueError(secret if kind == "message" else {PROXY_AUTHORIZATION!r})
"""


@pytest.mark.parametrize(
    "kind",
    [
        "local variable",
        "cause",
        "message",
        "base64",
        "log",
        "record",
        "warning",
        "standard output",
        "standard error",
    ],
)
def test_the_search_finds_a_planted_secret(kind: str, channels: Channels) -> None:
    """Each channel carries a secret once, and the search names it."""
    expected = {kind}
    if kind == "log":
        logging.getLogger("somebody.else").debug("%s", TOKEN)
        expected = {"logger somebody.else"}
    elif kind == "record":
        logging.getLogger("oxide").debug("harmless", extra={"oxide_header": KEY_PASSWORD})
        expected = {"logger oxide"}
    elif kind == "warning":
        warnings.warn(TOKEN, stacklevel=1)
    elif kind.startswith("standard"):
        os.write(1 if kind.endswith("output") else 2, TOKEN.encode())
    else:
        names: dict[str, Any] = {}
        exec(compile(PLANTED, PACKAGE + "planted.py", "exec"), names)
        with pytest.raises(ValueError, match=r".+") as caught:
            names["leak"](kind)
        channels.search_error(caught.value)
        place = "local variable secret of planted.py, leak"
        expected = {place, f"{place}, printed"}
        if kind in {"message", "base64"}:
            expected |= {"ValueError", "ValueError in full", "ValueError pickled"}
    channels.expected = expected
