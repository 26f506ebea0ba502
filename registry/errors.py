"""What a registry answers when it cannot do its work."""

from collections.abc import Iterator
from contextlib import contextmanager


class RegistryError(Exception):
    """A version cannot be read or pushed.

    The message says what must hold, what was given and what to do about it; it is shown without a traceback.
    """


@contextmanager
def failing_as(action: str) -> Iterator[None]:
    """Turns what the operating system says into a `RegistryError` that names the action."""
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"The registry must be able to {action}; it gave: {error}. "
            "Check the path, free space or mend the permissions, and try again."
        ) from error
