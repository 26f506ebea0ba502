"""Proves that pushed versions are whole and still compute what they computed; needs LiteRT, not TensorFlow."""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from compression.edge.files import GOLDEN
from registry import Registry, RegistryError
from registry.integrity import find_faults
from registry.version import MODEL


@dataclass(frozen=True)
class VersionReport:
    """One version, verified.

    Attributes:
        version: Its number.
        ok: Whether nothing was found.
        golden: `ok`; `differ`; `absent`, which is no fault; `not_checked`, because the model is not the one pushed.
        faults: In words.
    """

    version: int
    ok: bool
    golden: Literal["ok", "differ", "absent", "not_checked"]
    faults: list[str]

    @property
    def line(self) -> str:
        """The gist for people."""
        if not self.ok:
            return "faults"
        return "files as pushed, " + ("no golden pairs" if self.golden == "absent" else "golden pairs right")

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def verify_version(registry: Registry, number: int, public_pem: bytes | None = None) -> VersionReport:
    """Compares a version's files with its manifest and computes its golden pairs anew.

    Args:
        registry: The registry.
        number: Number of the version.
        public_pem: The public key that its manifest must be signed with; `None`: no signature is asked for.

    Raises:
        RegistryError: The key is none.
    """
    try:
        version = registry.version(number)
    except RegistryError as fault:
        return VersionReport(number, False, "not_checked", [str(fault)])
    faults = find_faults(version, public_pem)
    if faults:
        return VersionReport(number, False, "not_checked", faults)
    if GOLDEN not in version.names():
        return VersionReport(number, True, "absent", [])
    # NumPy and the machinery of the edge check: not for the commands that only look.
    from compression.edge.golden import verify_golden

    with tempfile.TemporaryDirectory() as folder:
        copy = version.fetch(Path(folder))
        faults = verify_golden(copy / MODEL, copy / GOLDEN)
    return VersionReport(number, not faults, "differ" if faults else "ok", faults)
