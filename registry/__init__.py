"""Versions of pushed models in a folder: complete or absent, with one pointer to the current one."""

from registry.errors import RegistryError
from registry.versions import PushedVersion, Registry, Version

__all__ = ["PushedVersion", "Registry", "RegistryError", "Version"]
