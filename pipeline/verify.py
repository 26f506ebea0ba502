"""Proves that pushed versions are whole and still compute what they computed; needs LiteRT, not TensorFlow."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from compression.edge.files import GOLDEN
from registry import Registry, RegistryError
from registry.integrity import find_faults


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
        return "sha256 and size right, " + ("no golden pairs" if self.golden == "absent" else "golden pairs right")

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def verify_version(registry: Registry, number: int) -> VersionReport:
    """Compares a version's model with its manifest and computes its golden pairs anew."""
    try:
        version = registry.version(number)
    except RegistryError as fault:
        return VersionReport(number, False, "not_checked", [str(fault)])
    faults = find_faults(version)
    if faults:
        return VersionReport(number, False, "not_checked", faults)
    pairs = version.path / GOLDEN
    if not pairs.exists():
        return VersionReport(number, True, "absent", [])
    # NumPy and the machinery of the edge check: not for the commands that only look.
    from compression.edge.golden import verify_golden

    faults = verify_golden(version.model_file, pairs)
    return VersionReport(number, not faults, "differ" if faults else "ok", faults)
