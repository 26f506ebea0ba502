"""Ed25519 signatures of manifests. A manifest holds the hash of every file, so its signature stands for the version."""

from collections.abc import Callable

from registry.errors import RegistryError

Sign = Callable[[bytes], bytes]

SIGNATURE = "manifest.sig"
"""Beside the manifest: 64 bytes over the exact bytes of the manifest."""


def signer(pem: str) -> Sign:
    """A function that signs with a private key.

    Args:
        pem: The key, as `openssl genpkey -algorithm ed25519` writes it.

    Raises:
        RegistryError: It is no such key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        # What stands in it is a secret: not a word of it in the message.
        raise RegistryError(f"The signing key must be an unencrypted private key in PEM form. {_MAKE}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RegistryError(f"The signing key must be an Ed25519 key; it is another kind. {_MAKE}")
    return key.sign


def signature_fault(public_pem: bytes, manifest: bytes, signature: bytes | None) -> str | None:
    """What is wrong with a signature, in words; `None` when it is right.

    Args:
        public_pem: The public key in PEM form.
        manifest: The exact bytes of the manifest.
        signature: The signature; `None` when there is none.

    Raises:
        RegistryError: The key is no Ed25519 public key.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_pem)
    except ValueError as error:
        raise RegistryError(f"The verification key must be a public key in PEM form. {_MAKE}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise RegistryError(f"The verification key must be an Ed25519 key; it is another kind. {_MAKE}")
    if signature is None:
        return "it must be signed, but has no signature"
    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        return "its signature does not fit its manifest and the configured key"
    return None


_MAKE = "openssl genpkey -algorithm ed25519 -out key.pem makes one, openssl pkey -in key.pem -pubout its public half."
