"""Signatures: comparing in constant time, and the kinds that more than one carrier uses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from campaignkit.errors import MissingExtra

TOLERANCE: Final = timedelta(seconds=300)
"""How far a signed time may lie from ours, either way."""

_BLOCK: Final = 64  # bytes of the smallest block of a hash that these tokens use


def same(given: str | bytes, expected: str | bytes) -> bool:
    """Return whether two signatures are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(as_bytes(given), as_bytes(expected))


def any_same(given: Iterable[str | bytes], expected: Sequence[str | bytes]) -> bool:
    """Return whether any given signature is any of those expected; all are compared, whichever matches."""
    return sum(same(one, other) for one in given for other in expected) > 0


def signature(secret: str | bytes, message: bytes, digest: str) -> bytes:
    """Return an HMAC."""
    return hmac.digest(as_bytes(secret), message, digest)


def base64_signature(secret: str | bytes, message: bytes, digest: str) -> str:
    """Return an HMAC in base64."""
    return base64.b64encode(hmac.digest(as_bytes(secret), message, digest)).decode()


def sha256_hex(body: bytes) -> str:
    """Return the SHA-256 of some bytes in hex."""
    return hashlib.sha256(body).hexdigest()


def is_fresh(seconds: str | None, now: datetime, tolerance: timedelta = TOLERANCE) -> bool:
    """Return whether a signed time, in whole seconds since 1970, is near ours."""
    if seconds is None or not (seconds.isascii() and seconds.isdecimal() and len(seconds) <= 11):  # noqa: PLR2004
        return False
    return abs(now.timestamp() - int(seconds)) <= tolerance.total_seconds()


def needs(module: str, package: str, whose: str) -> None:
    """Find a package of the extra ``signatures`` when a carrier is made, and not when its first webhook comes.

    Args:
        module: what is imported.
        package: what is installed.
        whose: the carrier, as people call it.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        importlib.import_module(module)
    except ImportError:
        raise MissingExtra(package, "signatures", f"checking the webhooks of {whose}") from None


def read_jwt(token: str, secrets: Sequence[str], algorithms: Sequence[str]) -> dict[str, Any] | None:
    """Return the claims of a JSON Web Token that one of the secrets signed, None for any other.

    Its times are not checked: PyJWT would ask the clock. Compare them with your own. The package
    PyJWT must be there, see `needs`.
    """
    import jwt  # noqa: PLC0415 - an extra

    if not token.isascii():
        return None
    options: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False)
    for one in secrets:
        # An HMAC fills its key up with zeros itself; done before, PyJWT has no short key to warn about,
        # and a warning that the host made an error would be raised in the middle of a webhook.
        key = as_bytes(one).ljust(_BLOCK, b"\0")
        try:
            claims = jwt.decode(token, key, algorithms=list(algorithms), options=options)
        except (jwt.PyJWTError, RecursionError):  # a header of brackets alone; later PyJWTs catch it themselves
            continue
        return claims
    return None


def as_bytes(value: str | bytes) -> bytes:
    """Return text as UTF-8, whatever it holds, and bytes as they are."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
