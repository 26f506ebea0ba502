"""Versions of pushed models in a folder: complete or absent, with one pointer to the current one."""
