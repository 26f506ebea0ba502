"""Device profiles: YAML files, read strictly."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from compression.errors import CompressionError
from compression.settings.profile import Profile

PROFILES = Path(__file__).resolve().parents[2] / "configs" / "profiles"
_LARGEST_BYTES = 65_536


class _Loader(yaml.SafeLoader):
    """Plain data only, without aliases (a few bytes could stand for gigabytes) and without duplicate keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuses aliases; see the class."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuses duplicate keys; see the class."""
        keys = [key.value for key, _ in node.value]
        twice = next((key for position, key in enumerate(keys) if key in keys[:position]), None)
        if twice is not None:
            raise yaml.YAMLError(f"every key must stand once, got {twice!r} twice; remove one")
        return super().construct_mapping(node, deep)


def profile_names(folder: Path = PROFILES) -> list[str]:
    """The profiles there are, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_profile(name: str, folder: Path = PROFILES) -> Profile:
    """The profile of a name.

    Args:
        name: File name without `.yaml`.
        folder: Where the profiles are.

    Raises:
        CompressionError: There is none of this name, or it is not a valid profile.
    """
    if name not in profile_names(folder):
        known = ", ".join(profile_names(folder)) or "none"
        raise CompressionError(
            f"a profile must be one of {known}, got {name!r}; name one of them or write {folder / (name + '.yaml')}"
        )
    path = folder / f"{name}.yaml"
    try:
        profile = Profile.model_validate(_read(path))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise CompressionError(f"{path} must be a valid profile: {error}") from error
    if profile.name != name:
        raise CompressionError(
            f"the profile in {path} must be named {name!r}, got {profile.name!r}; rename one of them"
        )
    return profile


def _read(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds; the schema judges it
    if path.stat().st_size > _LARGEST_BYTES:
        raise yaml.YAMLError(f"a profile must have at most {_LARGEST_BYTES} bytes, got {path.stat().st_size}")
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
