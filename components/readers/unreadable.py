"""The two errors of all readers."""


class UnreadableFile(Exception):
    """A file that ends early, is damaged, or does not hold what it should."""


class BadFile(Exception):
    """One image or recording that cannot be read; the rest of its folder can."""
