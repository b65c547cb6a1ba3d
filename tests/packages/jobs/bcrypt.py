"""Hashing and checking passwords."""

import bcrypt


def work() -> object:
    salt = b"$2b$04$abcdefghijklmnopqrstuu"
    hashed = bcrypt.hashpw(b"secret", salt)
    assert bcrypt.checkpw(b"secret", hashed) and not bcrypt.checkpw(b"other", hashed)
    return hashed, bcrypt.kdf(b"secret", b"salt", 16, 50)
