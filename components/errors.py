"""What a node says when its input is wrong."""


class InputError(ValueError):
    """Data or a model module that a node cannot take.

    The message says what must hold, what was given and what to do; it is shown without a traceback.
    """
