"""A node's executor in a process of its own; the driver and the publisher, which write to MLMD, stay where the run is.

Children are forked by the server of `compression.isolation`, which has imported TFX and TensorFlow and executed none of
it. A node starts there as in a run of its own: seeds, op determinism and the converter are process-wide.
"""

import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import tfx  # noqa: F401 - first: it repairs names of TFMA's and TFDV's packages
from tfx.orchestration.portable import data_types
from tfx.orchestration.portable.base_executor_operator import BaseExecutorOperator
from tfx.orchestration.portable.beam_executor_operator import BeamExecutorOperator
from tfx.orchestration.portable.python_executor_operator import PythonExecutorOperator
from tfx.proto.orchestration import executable_spec_pb2, execution_invocation_pb2, execution_result_pb2

from components.progress import heard_by
from compression import isolation, isolation_child
from pipeline.failure import from_child

KINDS = {
    spec.DESCRIPTOR.name: (spec, operator)
    for spec, operator in (
        (executable_spec_pb2.PythonClassExecutableSpec, PythonExecutorOperator),
        (executable_spec_pb2.BeamExecutableSpec, BeamExecutorOperator),
    )
}
"""Kinds of executors, and TFX's own operator for each."""

OnEpoch = Callable[[int, int, Mapping[str, float]], None]


def operators(what: str, on_epoch: OnEpoch, cancelled: threading.Event) -> dict[type, type[BaseExecutorOperator]]:
    """What the launcher of one node takes as `custom_executor_operators`.

    Args:
        what: The node in words, for messages.
        on_epoch: Gets what the node reports, in the thread that launches it.
        cancelled: Ends the child when it is set.
    """

    class InChild(BaseExecutorOperator):
        SUPPORTED_EXECUTOR_SPEC_TYPE: ClassVar[list[type]] = [spec for spec, _ in KINDS.values()]
        SUPPORTED_PLATFORM_CONFIG_TYPE: ClassVar[list[type]] = []

        def run_executor(self, execution_info: data_types.ExecutionInfo) -> execution_result_pb2.ExecutorOutput:
            spec = self._executor_spec
            output = isolation.run(
                execute,
                spec.DESCRIPTOR.name,
                spec.SerializeToString(),
                execution_info.to_proto().SerializeToString(),
                time_limit_s=float("inf"),
                what=what,
                section="",
                on_message=lambda epoch: on_epoch(*epoch),
                cancelled=cancelled,
            )
            return execution_result_pb2.ExecutorOutput.FromString(output)

    return dict.fromkeys((spec for spec, _ in KINDS.values()), InChild)


def execute(kind: str, spec: bytes, invocation: bytes) -> bytes:
    """Runs an executor in this process, a child.

    Args:
        kind: A key of `KINDS`.
        spec: The executor's specification.
        invocation: An `ExecutionInvocation`.

    Returns:
        An `ExecutorOutput`.

    Raises:
        Exception: What the executor raised, in a form that can travel.
    """
    of_kind, operator = KINDS[kind]
    info = data_types.ExecutionInfo.from_proto(execution_invocation_pb2.ExecutionInvocation.FromString(invocation))
    try:
        with heard_by(_tell):
            output: Any = operator(of_kind.FromString(spec)).run_executor(info)
    except Exception as error:  # whatever a component raises
        traceback.print_exc()
        raise from_child(error) from None
    return bytes(output.SerializeToString())


def _tell(done: int, planned: int, logs: Mapping[str, float]) -> None:
    isolation_child.tell((done, planned, {name: float(value) for name, value in logs.items()}))
