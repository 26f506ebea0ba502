"""What a registry answers when it cannot do its work."""


class RegistryError(Exception):
    """A version cannot be read or pushed.

    The message says what must hold, what was given and what to do about it; it is shown without a traceback.
    """
