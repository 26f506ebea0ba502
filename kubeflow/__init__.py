"""Compiles and schedules the pipeline's graph on Kubeflow Pipelines."""
