"""What has to be known of a class of layers before channels can be taken out of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tf_keras as keras

from compression.channels.labels import Channels, Labels


@dataclass(frozen=True)
class Call:
    """The one call of a layer.

    Attributes:
        layer: The layer.
        inputs: Channels of its inputs.
        shape: Shape of its output, batch included.
    """

    layer: keras.layers.Layer
    inputs: tuple[Channels, ...]
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Shrunk:
    """A layer with fewer channels.

    Attributes:
        weights: What `set_weights` takes.
        config: Entries of the layer's configuration that change.
    """

    weights: list[np.ndarray]
    config: dict[str, Any] = field(default_factory=dict)


class Rule:
    """The rule of layers that hand every channel on as it is; others override what differs."""

    def obstacle(self, call: Call) -> str:
        """Why this layer cannot be taken although its class can; empty when it can."""
        # Dropout may be told how many channels there are; one mask for all of them is no trouble.
        counted = (getattr(call.layer, "noise_shape", None) or [None])[-1]
        return "" if counted in (None, 1) else "a noise_shape that counts channels"

    def trace(self, call: Call, labels: Labels) -> Channels:
        """Channels of the output; `labels` hears of ties and of what must stay."""
        return call.inputs[0]

    def shrink(self, call: Call, output: Channels, keep: np.ndarray) -> Shrunk:
        """The layer without the channels that leave.

        Args:
            call: What was traced.
            output: What `trace` gave.
            keep: bool `[labels]`; the channels that stay.
        """
        return Shrunk(call.layer.get_weights())
