"""Whether a version still holds what was pushed."""

import hashlib

from registry.versions import Version


def find_faults(version: Version) -> list[str]:
    """What of a version's model differs from its manifest, in words; empty when nothing does."""
    remedy = f"restore {version.path} from a copy, or remove it and push again"
    try:
        model = version.model_file.read_bytes()
    except OSError as error:
        return [f"{version.model_file} must hold the model; it gave: {error}; {remedy}"]
    wanted = {"sha256": version.sha256, "size_bytes": version.manifest.get("size_bytes")}
    found = {"sha256": hashlib.sha256(model).hexdigest(), "size_bytes": len(model)}
    return [
        f"{version.model_file} must have the {name} of its manifest, {wanted[name]}; it has {found[name]}; {remedy}"
        for name in wanted
        if wanted[name] != found[name]
    ]
