"""What the open-source launcher hands to a container, by hand."""

import json

import pytest


@pytest.fixture
def arguments():
    """`arguments(executor, root=.., **parts)`: the arguments of a container as the driver and launcher fill them in.

    `inputs` and `outputs` are artifacts by key, `parameters` are values, `declared` is the spec of the inputs.
    """

    def make(executor, *, inputs=None, outputs=None, parameters=None, declared=None, output_file=None, more=()):
        executor_input = {
            "inputs": {
                "artifacts": {key: {"artifacts": [item]} for key, item in (inputs or {}).items()},
                "parameterValues": parameters or {},
            },
            "outputs": {
                "artifacts": {key: {"artifacts": [item]} for key, item in (outputs or {}).items()},
                "outputFile": output_file or "/s3/bucket/root/digits/run-1/selector/uuid/output_metadata.json",
            },
        }
        return [
            "--executor_class_path", executor,
            "--json_serialized_invocation_args", json.dumps(executor_input),
            "--json_serialized_inputs_spec_args", json.dumps(declared or {}),
            *more,
        ]  # fmt: skip

    return make
