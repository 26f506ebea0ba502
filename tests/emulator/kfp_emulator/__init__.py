"""An emulation of open-source Kubeflow Pipelines 2.16 on one machine: its driver, its launcher, Argo's order of tasks.

It runs a compiled package, task by task, each in a process with a root of its own, against an S3-compatible server. It
is made after the Go code of github.com/kubeflow/pipelines and says at each place after which file; it proves nothing
about Kubernetes itself.
"""

from kfp_emulator.cluster import Cluster, Run, TaskRun
from kfp_emulator.pod import Image

__all__ = ["Cluster", "Image", "Run", "TaskRun"]
