"""The commands of `python -m kubeflow`."""
