"""Fernet, RSA, AES, X.509."""

import datetime

from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID


def work() -> object:
    fernet = Fernet(Fernet.generate_key())
    for _ in range(100):
        assert fernet.decrypt(fernet.encrypt(b"x")) == b"x"
    key = rsa.generate_private_key(65537, 1024)
    signature = key.sign(b"text", padding.PKCS1v15(), hashes.SHA256())
    key.public_key().verify(signature, b"text", padding.PKCS1v15(), hashes.SHA256())
    sealed = AESGCM(b"k" * 16).encrypt(b"n" * 12, b"text", None)
    curve = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(curve.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2030, 1, 1))
        .sign(curve, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return sealed, x509.load_pem_x509_certificate(pem).subject.rfc4514_string()
