"""Ids that are hashes of what they identify, so that runs repeat to the byte."""

from hashlib import sha256


def identity(of: str) -> str:
    """A UUID of the given text."""
    digest = sha256(of.encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))
