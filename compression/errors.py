"""The one error that a user can mend."""


class CompressionError(ValueError):
    """A model, setting or data set that a method cannot take.

    The message says what must hold, what was given and what to do about it; it is shown without a traceback.
    """


class OutputMismatch(CompressionError):
    """A finished file that does not compute what its model computes.

    Attributes:
        content: The file.
    """

    def __init__(self, message: str, content: bytes) -> None:
        super().__init__(message)
        self.content = content

    def __reduce__(self) -> tuple[type, tuple[str, bytes]]:
        return type(self), (str(self), self.content)
