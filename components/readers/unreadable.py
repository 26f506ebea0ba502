"""The one error of all readers."""


class UnreadableFile(Exception):
    """A file that ends early, is damaged, or does not hold what it should."""
