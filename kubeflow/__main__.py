"""`python -m kubeflow`: the pipeline on Kubeflow Pipelines."""

import sys

from pipeline.cli import Command, Program, main

KUBEFLOW = Program(
    "python -m kubeflow",
    "The same graph, scheduled on Kubeflow Pipelines.",
    {
        "compile": Command("kubeflow.commands.compile", "write the pipeline as Kubeflow Pipelines reads it"),
        "submit": Command("kubeflow.commands.submit", "compile, send to Kubeflow Pipelines and run once"),
        "schedule": Command("kubeflow.commands.schedule", "let Kubeflow Pipelines run it again and again"),
    },
)

if __name__ == "__main__":
    sys.exit(main(program=KUBEFLOW))
