"""Which version of a registry is the champion; needs no TFX, so that the planner can ask too."""

from registry import Registry, Version


def find_champion(registry: Registry) -> Version | None:
    """The current version, or the newest one where `current.json` is missing; `None` in an empty registry.

    A pointer is missing when the first push was killed before it, or somebody removed it. There are versions then, and
    nothing may replace what they hold without a comparison.

    Raises:
        RegistryError: The pointer or the version is damaged.
    """
    current = registry.current()
    numbers = registry.numbers()
    return registry.version(numbers[-1]) if current is None and numbers else current
