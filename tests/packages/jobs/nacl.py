"""Secret boxes, signatures, passwords, and a signature that is wrong. (PyNaCl, through cffi.)"""

import nacl.exceptions
import nacl.pwhash
import nacl.secret
import nacl.signing


def work() -> object:
    key = bytes(32)
    box = nacl.secret.SecretBox(key)
    encrypted = box.encrypt(b"text", bytes(24))
    assert box.decrypt(encrypted) == b"text"
    signer = nacl.signing.SigningKey(key)
    signed = signer.sign(b"text")
    try:
        signer.verify_key.verify(b"other", signed.signature)
    except nacl.exceptions.BadSignatureError as error:
        wrong = str(error)
    password = nacl.pwhash.argon2id.kdf(16, b"secret", bytes(16), opslimit=1, memlimit=8192)
    return bytes(encrypted), signed.signature, wrong, password
