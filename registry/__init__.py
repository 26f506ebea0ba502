"""Versions of pushed models on a disk or an object store: complete or absent, with one pointer to the current one."""

from registry.errors import RegistryError
from registry.pointer import Event
from registry.version import PushedVersion, Version
from registry.versions import Registry

__all__ = ["Event", "PushedVersion", "Registry", "RegistryError", "Version"]
