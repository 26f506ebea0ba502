"""Which model is the champion, found out before the graph is built, so that the cache knows it."""

import json

from pipeline.errors import UserError
from registry import Registry, RegistryError


def resolve(registry: str) -> str:
    """`{version, sha256}` of the registry's current version as JSON, both null while there is none.

    Args:
        registry: The registry.

    Raises:
        UserError: It is damaged or cannot be read.
    """
    try:
        current = Registry(registry).current()
    except RegistryError as error:
        raise UserError(str(error)) from error
    found = {"version": current.version, "sha256": current.sha256} if current else {"version": None, "sha256": None}
    return json.dumps(found)
