"""Reads CA and client certificates once, and makes TLS contexts from them, in a forked child too."""

import os
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from oxide._identity.secrets import Secret
from oxide.exceptions import ConfigurationError

Source = str | os.PathLike[str]


class Tls:
    """What the contexts of a client are made from; after this, nothing is read from files or the environment.

    The arguments are the settings. Raises `ConfigurationError`, naming setting and file, if one cannot be read.

    Attributes:
        trusted: a description of the CA certificates that are trusted for the host.
        trusted_for_proxy: the same for the proxy.
        system_directory: the system's directory of CA certificates, or None.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None,
        proxy_ssl_context: ssl.SSLContext | None,
        verify_ssl: bool,
        ssl_ca_cert: Source | None,
        ca_cert_data: str | bytes | None,
        cert_file: Source | None,
        key_file: Source | None,
        key_password: Secret | None,
    ) -> None:
        self._context, self._proxy_context, self._verify = ssl_context, proxy_ssl_context, verify_ssl
        # Each with its name for messages; if there are none, the system's are trusted.
        self._authorities: list[tuple[str, str | bytes]] = []
        if ssl_ca_cert is not None:
            self._authorities.append((f"ssl_ca_cert {ssl_ca_cert!r}", _read("ssl_ca_cert", ssl_ca_cert)))
        if ca_cert_data is not None:
            self._authorities.append(("ca_cert_data", ca_cert_data))
        system = ssl.get_default_verify_paths()
        self._system: bytes | None = None
        if not self._authorities and system.cafile is not None:
            with suppress(OSError):
                self._system = Path(system.cafile).read_bytes()
        # OpenSSL looks into it later, when the working directory may be another.
        self.system_directory = None if system.capath is None else str(Path(system.capath).absolute())
        # The client's and its key, as they are in their files, each with its name for messages.
        self._certificate = [
            (f"{setting} {path!r}", Secret(_read(setting, path).decode("latin-1")))
            for setting, path in (("cert_file", cert_file), ("key_file", key_file))
            if path is not None
        ]
        self._key_password = key_password
        # As Python's own contexts do it.
        keylog = None if sys.flags.ignore_environment else os.environ.get("SSLKEYLOGFILE")
        self._keylog = str(Path(keylog).absolute()) if keylog else None
        trust = (verify_ssl, ssl_ca_cert, ca_cert_data)
        self.trusted = describe_trust("ssl_context", ssl_context, *trust)
        self.trusted_for_proxy = describe_trust("proxy_ssl_context", proxy_ssl_context, *trust)

    def host_context(self) -> ssl.SSLContext:
        """Return a context for the host; raise `ConfigurationError`, naming setting and file, if one is unusable."""
        if self._context is not None:
            return self._context
        context = self._new_context()
        if self._certificate:
            self._load_certificate(context)
            context.post_handshake_auth = True  # servers of TLS 1.3 may ask for it when they know the path
        return context

    def context_for_proxy(self) -> ssl.SSLContext:
        """Return a context for the proxy: it trusts the same CAs, but knows nothing that is only for the host."""
        return self._new_context() if self._proxy_context is None else self._proxy_context

    def _new_context(self) -> ssl.SSLContext:
        # Not `create_default_context`: since Python 3.13 it refuses certificates without an authority key identifier,
        # which private CAs often issue.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # some Python builds leave it to the system
        context.hostname_checks_common_name = False  # as in RFC 9525
        # Trusts CAs that are not roots, as Python 3.13 does by default.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self._keylog is not None:
            try:
                context.keylog_filename = self._keylog
            except OSError as error:
                raise ConfigurationError(
                    f"SSLKEYLOGFILE {self._keylog!r} cannot be written: {error.strerror}"
                ) from None
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if not self._authorities:
            self._load_system_authorities(context)
        for where, data in self._authorities:
            try:
                _load_authorities(context, data)
            except (ssl.SSLError, ValueError) as error:
                raise ConfigurationError(
                    f"{where} holds no usable CA certificate, PEM or DER ({_reason(error)})"
                ) from None
        return context

    def _load_system_authorities(self, context: ssl.SSLContext) -> None:
        if hasattr(ssl, "enum_certificates"):
            # From the stores of Windows, where no fork would do it again.
            context.load_default_certs()
            return
        # As OpenSSL does it, broken certificates are passed over.
        if self._system is not None:
            with suppress(ssl.SSLError, ValueError):
                _load_authorities(context, self._system)
        if self.system_directory is not None:
            context.load_verify_locations(capath=self.system_directory)

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        names, contents = zip(*self._certificate, strict=True)
        asked = False

        def password() -> str:
            # OpenSSL would otherwise ask at the terminal.
            nonlocal asked
            asked = True
            return "" if self._key_password is None else self._key_password.reveal()

        try:
            with _as_files(contents) as paths:
                context.load_cert_chain(paths[0], paths[-1], password)
        except (ssl.SSLError, ValueError) as error:
            if asked and self._key_password is None:
                message = f"{names[-1]} holds an encrypted key: set key_password"
            elif asked:
                message = f"{names[-1]}: key_password does not open the key ({_reason(error)})"
            else:
                message = f"{names[0]} and its key cannot be used ({_reason(error)})"
            raise ConfigurationError(message) from None


def describe_trust(
    setting: str,
    context: ssl.SSLContext | None,
    verify_ssl: bool,  # noqa: FBT001 - the settings, in their order
    ssl_ca_cert: Source | None,
    ca_cert_data: str | bytes | None,
) -> str:
    """Return a description of the CA certificates that are trusted; `context` is the value of `setting`."""
    if context is not None:
        trusts_all = context.verify_mode == ssl.CERT_NONE
        return f"those of {setting}{', which accepts any certificate' if trusts_all else ''}"
    if not verify_ssl:
        return "any certificate is accepted (verify_ssl=False)"
    given = [] if ssl_ca_cert is None else [f"those of ssl_ca_cert {ssl_ca_cert!r}"]
    given += [] if ca_cert_data is None else ["those of ca_cert_data"]
    return " and ".join(given) or f"the system's ({'; '.join(_system_authorities())})"


def _system_authorities() -> Iterator[str]:
    paths = ssl.get_default_verify_paths()
    yield ", ".join(filter(None, (paths.cafile, paths.capath))) or "none found"
    for variable, found in (
        (paths.openssl_cafile_env, paths.cafile),
        (paths.openssl_capath_env, paths.capath),
    ):
        named = os.environ.get(variable)
        if named and found is None:
            yield f"{variable} names {named!r}, which does not exist"


def _load_authorities(context: ssl.SSLContext, data: str | bytes) -> None:
    pem = data.encode(errors="replace") if isinstance(data, str) else data
    if isinstance(data, str) or b"-----BEGIN" in pem:
        # Comments in a bundle may be in any language.
        context.load_verify_locations(cadata=pem.decode("ascii", "replace").replace("\ufffd", "?"))
    else:
        context.load_verify_locations(cadata=pem)


@contextmanager
def _as_files(contents: Sequence[Secret]) -> Iterator[list[str]]:
    """Yield the paths of files with these contents, since OpenSSL reads keys from files only.

    They are in memory where the system has such files, and else in a directory that only this user can read.
    """
    with ExitStack() as stack:
        if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
            files = [stack.enter_context(open(os.memfd_create("oxide"), "wb")) for _ in contents]  # noqa: PTH123 - a descriptor, which the stack closes
            paths = [f"/proc/self/fd/{file.fileno()}" for file in files]
        else:
            directory = stack.enter_context(TemporaryDirectory())
            paths = [str(Path(directory, str(number))) for number in range(len(contents))]
            files = [stack.enter_context(open(path, "wb")) for path in paths]  # noqa: PTH123 - the stack closes it
        for file, content in zip(files, contents, strict=True):
            file.write(content.encode())
            file.flush()
        yield paths


def _read(setting: str, path: Source) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{setting} {path!r} cannot be read: {error.strerror}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error) or type(error).__name__
