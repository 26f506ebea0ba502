"""What can be said about the section `edge` before anything runs: the profile exists, and its budgets can be kept."""

from compression.edge.profile import load_profile, profile_names
from compression.errors import CompressionError
from compression.settings.profile import Device
from pipeline.config import Config, Fault
from pipeline.config.faults import nearest, show

NEVER_MEASURED: dict[Device, dict[str, str]] = {
    "litert": {},
    "tflite_micro": {"max_latency_ms": "no tool on a host can time a microcontroller; measure on the board"},
    "vela": {},
}
"""Device of a profile -> budgets that nothing can measure for it, and why."""

NEED_THE_TOOL: dict[Device, tuple[str, ...]] = {
    "litert": (),
    "tflite_micro": ("max_arena_bytes",),
    "vela": ("max_arena_bytes", "max_latency_ms"),
}
"""Device of a profile -> budgets that only its own tool measures."""


RAW_DTYPES = ("float32", "int64", "uint8")
"""Types that raw features can have as a model's inputs."""


def edge_faults(config: Config) -> list[Fault]:
    """An unknown or broken profile, inputs that it does not take, and budgets that nothing measures."""
    name, here = config.edge.profile, ("edge", "profile")
    known = profile_names()
    if name not in known:
        must = f"must be one of {', '.join(known)}, the files of configs/profiles"
        return [Fault(here, must, show(name), nearest(name, known))]
    try:
        profile = load_profile(name)
    except CompressionError as error:
        return [Fault(here, "must be a valid profile", str(error))]
    faults = []
    if config.export.inputs == "raw" and profile.input_dtypes and not set(RAW_DTYPES) & set(profile.input_dtypes):
        must = f"must be transformed with profile {name}, whose inputs are {', '.join(profile.input_dtypes)}"
        faults.append(Fault(("export", "inputs"), must, f"raw, which are {' or '.join(RAW_DTYPES)}"))
    return faults + [
        Fault(("edge", budget), f"must be left out with profile {name}: {why}", show(getattr(config.edge, budget)))
        for budget, why in NEVER_MEASURED[profile.device].items()
        if getattr(config.edge, budget) is not None
    ]


def edge_warnings(config: Config) -> list[str]:
    """Budgets that would block every variant here, because the tool that measures them is not installed."""
    device = load_profile(config.edge.profile).device
    budgets = [name for name in NEED_THE_TOOL[device] if getattr(config.edge, name) is not None]
    if not budgets or _has_tool(device):
        return []
    return [
        f"{config.where('edge', name)}: must be measured by the tool of profile {config.edge.profile}, which is not "
        "installed here: every variant would be blocked; install it with `make setup EXTRAS=devices`"
        for name in budgets
    ]


def _has_tool(device: Device) -> bool:
    # These bring NumPy, which no other check needs.
    from compression.edge import tflite_micro, vela

    return tflite_micro.installed() if device == "tflite_micro" else vela.command() is not None
