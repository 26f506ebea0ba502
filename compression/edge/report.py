"""What the edge check found out about one model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from compression.edge.latency import Latency


@dataclass(frozen=True)
class Budget:
    """One budget, judged.

    Attributes:
        name: Its key in the settings, `max_size_bytes` for example.
        limit: What is allowed.
        value: What was measured; `None` when it was not.
        met: Whether it was measured and is at most `limit`.
        reason: The same in words.
    """

    name: str
    limit: float
    value: float | None
    met: bool
    reason: str


@dataclass(frozen=True)
class EdgeReport:
    """The edge check of one model; every field that is `None` has its reason in `not_measured`.

    Attributes:
        profile: Name of the profile.
        passed: Whether the model runs as the profile demands and keeps every budget.
        reasons: Why it did not pass, in words; empty when it did.
        size_bytes: The file.
        gzip_bytes: The file after gzip -9.
        input_dtypes: Types of the inputs.
        output_dtypes: Types of the outputs.
        operators: How often each operator occurs.
        unsupported_operators: Those that the profile does not have.
        macs: Multiply-accumulates for one example.
        arena_bytes: Memory for activations; `arena_source` says what is in it.
        arena_source: Where `arena_bytes` comes from and what it leaves out.
        tensor_bytes: Sum over all activations as if none shared its place: an upper bound for them.
        examples: Real examples that were answered (each twice).
        finite: Whether all answers were finite numbers.
        deterministic: Whether asking again gave the same bytes.
        latency: Time in LiteRT on this host, whatever the profile.
        budget_latency_ms: What `max_latency_ms` is held against: LiteRT's 90th percentile with device `litert`, Vela's
            estimate with `vela`.
        device: What the profile's own tool reported.
        budgets: The budgets that were given, judged.
        not_measured: Field -> why there is no number.
        host: The machine, `threads`, `kernels`, and its load average before and after.
    """

    profile: str
    passed: bool
    reasons: tuple[str, ...]
    size_bytes: int
    gzip_bytes: int
    input_dtypes: tuple[str, ...] | None
    output_dtypes: tuple[str, ...] | None
    operators: Mapping[str, int] | None
    unsupported_operators: tuple[str, ...] | None
    macs: int | None
    arena_bytes: int | None
    arena_source: str | None
    tensor_bytes: int | None
    examples: int | None
    finite: bool | None
    deterministic: bool | None
    latency: Latency | None
    budget_latency_ms: float | None
    device: Mapping[str, Any] | None
    budgets: tuple[Budget, ...]
    not_measured: Mapping[str, str]
    host: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def blocked(self, reason: str) -> "EdgeReport":
        """The same report with one more reason not to pass."""
        return replace(self, passed=False, reasons=(*self.reasons, reason))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "EdgeReport":
        """The inverse of `to_dict`, also after JSON turned tuples into lists."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        if fields["latency"] is not None:
            fields["latency"] = latency_from_dict(fields["latency"])
        fields["budgets"] = tuple(Budget(**budget) for budget in values["budgets"])
        return cls(**fields)


def latency_from_dict(values: Mapping[str, Any]) -> Latency:
    """A latency as JSON holds it."""
    return Latency(**{**values, "rounds_p50_ms": tuple(values["rounds_p50_ms"])})
