"""What a pusher may put into a version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.errors import RegistryError
from registry.signing import SIGNATURE
from registry.version import MANIFEST, MODEL


def identity_of(manifest: Mapping[str, Any]) -> str:
    """The text that two runs with the same content share.

    Raises:
        RegistryError: There is none.
    """
    identity = manifest.get("identity")
    if not isinstance(identity, str) or not identity:
        raise RegistryError(
            "A manifest must hold `identity`, a text that two runs with the same content share; "
            f"it holds {identity!r}. Give a hash of what the model was made from."
        )
    return identity


def check_names(extra_files: Mapping[str, object]) -> None:
    """Refuses names that are no plain ones, or that the registry itself uses.

    Raises:
        RegistryError: Naming the first of them.
    """
    for name in extra_files:
        if not name or Path(name).name != name or name.startswith(".") or name in (MODEL, MANIFEST, SIGNATURE):
            raise RegistryError(
                f"An extra file needs a plain name of its own that does not start with a dot; it is {name!r}. "
                "Choose another name."
            )
