"""What a training step measured, epoch by epoch: kept beside its model, whose bytes do not change by it."""

from collections.abc import Mapping

from components.progress import report_epoch


class TrainingHistory:
    """Keeps what is told at the end of every epoch, and tells it on to whoever shows the run.

    Attributes:
        series: Losses and metrics by name, one finite value for each epoch, as the Trainer's `history.json` has them.

    >>> history = TrainingHistory()
    >>> history(1, 2, {"loss": 0.5, "lr": 0.01})
    >>> history(2, 2, {"loss": 0.25, "lr": 0.01})
    >>> history.series
    {'loss': [0.5, 0.25]}
    """

    def __init__(self) -> None:
        self.series: dict[str, list[float]] = {}

    def __call__(self, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """An epoch ended; see `components.progress.report_epoch`."""
        for name, value in logs.items():
            # Keras tells the learning rate of some optimizers only.
            if name != "lr":
                self.series.setdefault(name, []).append(float(value))
        report_epoch(done, planned, logs)
