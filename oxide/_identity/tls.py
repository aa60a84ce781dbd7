"""The `SSLContext` of a configuration, made with the client so that a bad file is reported at once."""

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from oxide.exceptions import ConfigurationError

if TYPE_CHECKING:
    from oxide.configuration import Configuration


def build_context(configuration: "Configuration", *, for_proxy: bool = False) -> ssl.SSLContext:
    """Return the context; raise `ConfigurationError`, naming setting and file, if one cannot be used.

    With `for_proxy`, the context trusts the same CAs, but leaves out what is only for the host (`ssl_context`, names,
    the client's certificate).
    """
    if configuration.ssl_context is not None and not for_proxy:
        return configuration.ssl_context
    # Not `create_default_context`: since Python 3.13 it refuses certificates without an authority key identifier,
    # which private CAs often issue.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # some Python builds leave it to the system
    context.hostname_checks_common_name = False  # as in RFC 9525
    # Trusts CAs that are not roots, as Python 3.13 does by default.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.ssl_ca_cert is None and configuration.ca_cert_data is None:
        context.load_default_certs()
    if configuration.ssl_ca_cert is not None:
        data = _read("ssl_ca_cert", configuration.ssl_ca_cert)
        _load_authorities(context, f"ssl_ca_cert {configuration.ssl_ca_cert!r}", data)
    if configuration.ca_cert_data is not None:
        _load_authorities(context, "ca_cert_data", configuration.ca_cert_data)
    if configuration.cert_file is not None and not for_proxy:
        _load_client_certificate(context, configuration.cert_file, configuration)
    return context


def trusted_authorities(configuration: "Configuration", *, for_proxy: bool = False) -> str:
    """Return a description of the CA certificates that a client trusts, for the host or for its proxy."""
    setting = "proxy_ssl_context" if for_proxy else "ssl_context"
    context: ssl.SSLContext | None = getattr(configuration, setting)
    if context is not None:
        trusts_all = context.verify_mode == ssl.CERT_NONE
        return f"those of {setting}{', which accepts any certificate' if trusts_all else ''}"
    if not configuration.verify_ssl:
        return "any certificate is accepted (verify_ssl=False)"
    given = [name for name in ("ssl_ca_cert", "ca_cert_data") if getattr(configuration, name) is not None]
    if not given:
        paths = ssl.get_default_verify_paths()
        return f"the system's ({', '.join(filter(None, (paths.cafile, paths.capath))) or 'none found'})"
    return " and ".join(
        f"those of {name} {configuration.ssl_ca_cert!r}" if name == "ssl_ca_cert" else f"those of {name}"
        for name in given
    )


def _load_authorities(context: ssl.SSLContext, where: str, data: str | bytes) -> None:
    pem = data.encode(errors="replace") if isinstance(data, str) else data
    try:
        if isinstance(data, str) or b"-----BEGIN" in pem:
            # Comments in a bundle may be in any language.
            context.load_verify_locations(cadata=pem.decode("ascii", "replace").replace("\ufffd", "?"))
        else:
            context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        message = f"{where} holds no usable CA certificate, PEM or DER ({_reason(error)})"
        raise ConfigurationError(message) from None


def _load_client_certificate(
    context: ssl.SSLContext, certificate: str | os.PathLike[str], configuration: "Configuration"
) -> None:
    key = configuration.key_file
    _read("cert_file", certificate)
    if key is not None:
        _read("key_file", key)
    holder = f"key_file {key!r}" if key is not None else f"cert_file {certificate!r}"
    asked = False

    def password() -> str:
        # OpenSSL would otherwise ask at the terminal.
        nonlocal asked
        asked = True
        return configuration.key_password or ""

    try:
        context.load_cert_chain(certificate, key, password)
    except (ssl.SSLError, ValueError) as error:
        if asked and configuration.key_password is None:
            message = f"{holder} holds an encrypted key: set key_password"
        elif asked:
            message = f"{holder}: key_password does not open the key ({_reason(error)})"
        else:
            message = f"cert_file {certificate!r} and its key cannot be used ({_reason(error)})"
        raise ConfigurationError(message) from None


def _read(setting: str, path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        message = f"{setting} {path!r} cannot be read: {error.strerror}"
        raise ConfigurationError(message) from None


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error) or type(error).__name__
