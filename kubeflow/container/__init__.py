"""What runs in every container of the pipeline on Kubeflow: `python -m kubeflow.container`."""
