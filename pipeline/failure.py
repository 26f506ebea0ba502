"""Why a node failed, in one sentence."""

import re

from components.errors import InputError
from compression.errors import CompressionError
from registry import RegistryError

_OURS = (InputError, CompressionError, RegistryError)
_LONGEST = 600


def cause(error: BaseException) -> str:
    """What the user should read of an exception.

    Our own errors say it themselves. Others are named by type; Beam hands an error of a worker on as the text of its
    traceback, of which the last line counts.
    """
    ours = next((link for link in _chain(error) if isinstance(link, _OURS)), None)
    if ours is not None:
        return str(ours)
    root = _chain(error)[-1]
    lines = [line.strip() for line in str(root).splitlines() if line.strip()]
    text = next((line for line in lines if not line.startswith("Traceback")), "no message")
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Interrupt)\b.*:", line)]
    sentence = raised[-1] if len(lines) > 1 and raised else f"{type(root).__name__}: {text}"
    return sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}..."


def _chain(error: BaseException) -> list[BaseException]:
    links = [error]
    while links[-1].__cause__ is not None and links[-1].__cause__ not in links:
        links.append(links[-1].__cause__)
    return links
