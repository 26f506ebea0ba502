"""Whether a version still holds what was pushed, and whether who pushed it had the key."""

import hashlib
from collections.abc import Iterator

from registry.errors import RegistryError
from registry.signing import SIGNATURE, signature_fault
from registry.version import MANIFEST, MODEL, Version


def find_faults(version: Version, public_pem: bytes | None = None) -> list[str]:
    """What of a version differs from its manifest, in words; empty when nothing does.

    Args:
        version: The version.
        public_pem: The public key that its manifest must be signed with; `None`: a signature is not looked at.
    """
    remedy = f"restore {version.place} from a copy, or remove it and push again"
    faults = [*_file_faults(version), *(_key_faults(version, public_pem) if public_pem is not None else ())]
    return [f"{fault}; {remedy}" for fault in faults]


def _file_faults(version: Version) -> Iterator[str]:
    manifest = version.manifest
    wanted = {MODEL: version.sha256, **dict(manifest.get("files") or {})}
    for name, sha256 in wanted.items():
        try:
            content = version.read(name)
        except RegistryError as error:
            yield f"{version.place}/{name} must hold what was pushed; it gave: {error}"
            continue
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            yield f"{version.place}/{name} must have the sha256 of its manifest, {sha256}; it has {found}"
        if name == MODEL and len(content) != manifest.get("size_bytes"):
            size = manifest.get("size_bytes")
            yield f"{version.place}/{name} must have the size_bytes of its manifest, {size}; it has {len(content)}"


def _key_faults(version: Version, public_pem: bytes) -> Iterator[str]:
    signature = version.read(SIGNATURE) if SIGNATURE in version.names() else None
    fault = signature_fault(public_pem, version.read(MANIFEST), signature)
    if fault is not None:
        yield f"version {version.version} must be what the owner of the key pushed, but {fault}"
