"""Which of the keys that a provider publishes may sign: judged once, when they are read.

What a token says of itself chooses a key by its name, and nothing else: the algorithm belongs to
the key. So no public key is ever taken for a secret, and no weak key is there to be chosen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scoreboard.operations.counted import ProviderKeyFault

# Below, a key can be found by who has money; above, seeing that somebody did not sign takes long.
RSA_BITS_MIN: Final = 2048
RSA_BITS_MAX: Final = 8192
RSA_EXPONENT_MIN: Final = 65_537
_RSA_EXPONENT_MAX: Final = 2**32
# Providers publish two or three: today's, tomorrow's, yesterday's.
KEYS_MAX: Final = 50
_ID_CHARS_MAX: Final = 256
# The modulus of the largest RSA key has 1,366. A chain of certificates (`x5c`) is a list.
_PART_CHARS_MAX: Final = 2048
# By `kty` and `crv`, the one algorithm that a key is for.
_ALGORITHMS: Final = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
_SIGNATURE_BYTES: Final = {"ES256": 64, "EdDSA": 64}

Refused = Callable[[ProviderKeyFault], None]


class Key:
    """A key that may sign; `digest` is the same wherever it is published."""

    __slots__ = ("algorithm", "digest", "jwk", "signature_bytes")

    def __init__(self, jwk: jwt.PyJWK, algorithm: str) -> None:
        self.jwk: Final = jwk
        self.algorithm: Final = algorithm
        public = jwk.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.digest: Final = hashlib.sha256(public).digest()
        self.signature_bytes: Final[int] = (
            _SIGNATURE_BYTES.get(algorithm) or (jwk.key.key_size + 7) // 8
        )


def read_keys(document: Any, algorithms: Collection[str], refused: Refused) -> dict[str, Key]:
    """Read a JWK set (RFC 7517): the keys that may sign, by their names; a key without a name has
    the empty one. `refused` is told why any other may not. Raises ValueError where it is no set.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise ValueError(f"no set of {KEYS_MAX} keys at most")
    found: dict[str, Key] = {}
    for described in listed:
        if not isinstance(described, dict):
            refused("malformed")
            continue
        name = described.get("kid", "")
        if not isinstance(name, str) or len(name) > _ID_CHARS_MAX or name in found:
            refused("name")
            continue
        key = _read_key(described, algorithms)
        if isinstance(key, Key):
            found[name] = key
        elif key is not None:
            refused(key)
    return found


def _read_key(
    described: dict[str, Any], algorithms: Collection[str]
) -> Key | ProviderKeyFault | None:
    """A key; why it may not sign; or None for one that is for something else."""
    algorithm = _algorithm(described)
    if algorithm not in algorithms:
        return None
    if "d" in described:  # everybody has read it
        return "private"
    if any(isinstance(part, str) and len(part) > _PART_CHARS_MAX for part in described.values()):
        return "malformed"
    try:
        key = jwt.PyJWK(described, algorithm)
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, LookupError):
        return "malformed"
    if isinstance(key.key, RSAPublicKey) and not _is_strong(key.key):  # guard: provider-key-weak
        return "weak"
    return Key(key, algorithm)


def _algorithm(described: Mapping[str, Any]) -> str:
    """The algorithm that a key is for; nothing for one that signs none of ours."""
    kind, curve = described.get("kty"), described.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return ""
    if described.get("use", "sig") != "sig" or "verify" not in _operations(described):
        return ""
    algorithm = _ALGORITHMS.get((kind, curve), "")
    return algorithm if described.get("alg", algorithm) == algorithm else ""


def _operations(described: Mapping[str, Any]) -> Collection[Any]:
    operations = described.get("key_ops", ["verify"])
    return operations if isinstance(operations, list) else ()


def _is_strong(key: RSAPublicKey) -> bool:
    exponent = key.public_numbers().e
    return (
        RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX
        and RSA_EXPONENT_MIN <= exponent < _RSA_EXPONENT_MAX
        and exponent % 2 == 1
    )
