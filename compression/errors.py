"""The one error that a user can mend."""


class CompressionError(ValueError):
    """A model, setting or data set that a method cannot take.

    The message says what must hold, what was given and what to do about it; it is shown without a traceback.
    """
