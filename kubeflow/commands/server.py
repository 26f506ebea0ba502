"""The server of a command that talks to one."""

import argparse

from kubeflow.client import Client
from kubeflow.connection import read_connection
from kubeflow.refusals import refuse, warnings
from pipeline.config import Config
from pipeline.console import Console


def open_client(args: argparse.Namespace, config: Config, console: Console) -> Client:
    """A client for the server that options, environment and configuration name; nothing is sent yet.

    Raises:
        UserError: They name none, or the configuration cannot run on a cluster.
    """
    section = refuse(config)
    for warning in warnings(config, section):
        console.warn(warning)
    connection = read_connection(args, section, lambda key: config.where("kubeflow", key))
    if connection.exposes_token:
        console.warn(f"the token goes to {connection.host} without encryption; use https")
    return Client(connection)
