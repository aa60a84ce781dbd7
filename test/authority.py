"""A certificate authority for the tests, with the files that it makes and TLS contexts for servers."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY_PASSWORD = "key-password-7c1e"


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and the files of it in `directory`."""

    ca: trustme.CA
    directory: Path

    @property
    def pem(self) -> str:
        """The CA's certificate as PEM."""
        return self.ca.cert_pem.bytes().decode("ascii")

    @property
    def der(self) -> bytes:
        """The CA's certificate as DER."""
        return ssl.PEM_cert_to_DER_cert(self.pem)

    def path(self, name: str) -> str:
        """Return the path of a file: `ca.pem`, `ca.der`, `client.pem`, `client.key`, `client-encrypted.key`, `both.pem`."""
        return str(self.directory / name)

    def server_context(
        self, *names: str, client_certificate: ssl.VerifyMode = ssl.CERT_NONE
    ) -> ssl.SSLContext:
        """Return the context of a server with a certificate for `names`, which asks for one of the client or not."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        if client_certificate != ssl.CERT_NONE:
            context.verify_mode = client_certificate
            self.ca.configure_trust(context)
        return context


def make_authority(directory: Path) -> Authority:
    """Make an authority and its files."""
    ca = trustme.CA()
    authority = Authority(ca, directory)
    client = ca.issue_cert("client.test", common_name="automation")
    certificate = b"".join(blob.bytes() for blob in client.cert_chain_pems)
    key = client.private_key_pem.bytes()
    encrypted = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(KEY_PASSWORD.encode()),
    )
    files = {
        "ca.pem": authority.pem.encode(),
        "ca.der": authority.der,
        "client.pem": certificate,
        "client.key": key,
        "client-encrypted.key": encrypted,
        "both.pem": certificate + key,
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return authority


def without_authority_key_identifier(name: str, directory: Path) -> tuple[str, ssl.SSLContext]:
    """Return a CA's certificate as PEM and a server's context, made without that extension, as simple tools do."""
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "plain CA")])

    def builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    ca = (
        builder(issuer, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "plain server")])
    certificate = (
        builder(subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    file = directory / "plain-server.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return ca.public_bytes(serialization.Encoding.PEM).decode("ascii"), context
