"""`python -m kubeflow`: the pipeline on Kubeflow Pipelines."""

import sys

from pipeline.cli import Command, Program, main

KUBEFLOW = Program(
    "python -m kubeflow",
    "The same graph, scheduled on Kubeflow Pipelines.",
    {
        "compile": Command("kubeflow.commands.compile", "write the pipeline as Kubeflow Pipelines reads it"),
    },
)

if __name__ == "__main__":
    sys.exit(main(program=KUBEFLOW))
