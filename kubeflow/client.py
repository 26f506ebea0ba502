"""What is asked of Kubeflow Pipelines: experiments, pipelines and their versions, runs and recurring runs."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kfp_server_api as kfp

from kubeflow.connection import Connection
from kubeflow.transport import Refused, Transport
from pipeline.config.faults import nearest
from pipeline.errors import UserError

_PAGE = 100
_HASH_LENGTH = 16
GOING = ("PENDING", "RUNNING", "CANCELING", "PAUSED")
"""States of runs that have not ended; one without a state has just been made."""


class Client:
    """One server, through the paths and models of `kfp_server_api`.

    Every method raises `ClusterError` when the server does not do its part, and `UserError` when it says no.

    Args:
        connection: The server.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        configuration = kfp.Configuration(host=connection.host)
        api = kfp.ApiClient(configuration, cookie=connection.cookie)
        api.rest_client = Transport(connection)
        self._experiments = kfp.ExperimentServiceApi(api)
        self._pipelines = kfp.PipelineServiceApi(api)
        self._uploads = kfp.PipelineUploadServiceApi(api)
        self._runs = kfp.RunServiceApi(api)
        self._recurring = kfp.RecurringRunServiceApi(api)

    def experiment(self, default: str) -> str:
        """Id of the experiment that the connection names, which must exist, or of one that is made when missing.

        Args:
            default: Name of the experiment when nobody named one.
        """
        wanted = self.connection.experiment
        name = wanted or default
        found = next(iter(self._experiments_of(name)), None)
        if found is not None and found.storage_state == "ARCHIVED":
            raise UserError(
                f"the experiment {name} must be in use, got an archived one; restore it on the pages of Kubeflow"
            )
        if found is not None:
            return str(found.experiment_id)
        if wanted is not None:
            others = [str(each.display_name) for each in self._experiments_of()]
            advice = nearest(wanted, others) or f"there are {', '.join(others[:10]) or 'none'}"
            raise UserError(f"the experiment {wanted}{self._where()} must exist, got no such name; {advice}")
        body = kfp.V2beta1Experiment(display_name=name, namespace=self.connection.namespace)
        return str(self._experiments.experiment_service_create_experiment(body).experiment_id)

    def version(self, name: str, package: str) -> "tuple[str, str]":
        """Ids of a pipeline and of its version that holds a package; what is missing is made.

        The version is named by the hash of the package, so that the same package makes no second one.
        """
        pipeline = self._pipeline(name)
        digest = hashlib.sha256(package.encode()).hexdigest()[:_HASH_LENGTH]
        found = self._version(pipeline, digest)
        if found is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{name}.yaml"
                path.write_text(package, encoding="utf-8")
                try:
                    made = self._uploads.upload_pipeline_version(str(path), name=digest, pipelineid=pipeline)
                    found = made.pipeline_version_id
                except Refused as error:
                    # Another client was faster.
                    found = self._version(pipeline, digest) if error.status == 409 else None
                    if found is None:
                        raise
        return pipeline, found

    def create_run(self, run: kfp.V2beta1Run) -> kfp.V2beta1Run:
        """Starts a run."""
        return self._runs.run_service_create_run(run)

    def run(self, run_id: str) -> kfp.V2beta1Run:
        """A run as it is now."""
        return self._runs.run_service_get_run(run_id)

    def going(self, recurring_id: str) -> list[kfp.V2beta1Run]:
        """Runs of a recurring run that have not ended."""
        # By the newest first: runs that go on stand in front of those that ended long ago.
        asked = {"filter": _equals("recurring_run_id", recurring_id), "sort_by": "created_at desc", **self._whose()}
        found = self._runs.run_service_list_runs(page_size=_PAGE, **asked).runs or []
        return [run for run in found if (run.state or GOING[0]) in GOING]

    def recurring(self, name: str | None = None) -> list[kfp.V2beta1RecurringRun]:
        """Recurring runs of the namespace, oldest first; of one name, or all."""
        asked = dict(self._whose(), sort_by="created_at asc")
        if name is not None:
            asked["filter"] = _equals("display_name", name)
        listed = _pages(self._recurring.recurring_run_service_list_recurring_runs, "recurring_runs", **asked)
        # Servers compare names without regard to case, as their database does.
        return [each for each in listed if name in (None, each.display_name)]

    def create_recurring(self, body: kfp.V2beta1RecurringRun) -> str:
        """Makes a recurring run; returns its id."""
        return str(self._recurring.recurring_run_service_create_recurring_run(body).recurring_run_id)

    def enable(self, recurring_id: str) -> None:
        """Lets a recurring run fire."""
        self._recurring.recurring_run_service_enable_recurring_run(recurring_id)

    def disable(self, recurring_id: str) -> None:
        """Lets it fire no more until it is enabled again."""
        self._recurring.recurring_run_service_disable_recurring_run(recurring_id)

    def delete(self, recurring_id: str) -> None:
        """Removes a recurring run; runs of it that are going on stay (on servers before 2.16 they end with it)."""
        try:
            self._recurring.recurring_run_service_delete_recurring_run(recurring_id, propagation_policy="ORPHAN")
        except Refused as error:
            if error.status != 404:
                raise

    def _experiments_of(self, name: str | None = None) -> list[kfp.V2beta1Experiment]:
        asked = dict(self._whose())
        if name is not None:
            asked["filter"] = _equals("display_name", name)
        listed = _pages(self._experiments.experiment_service_list_experiments, "experiments", **asked)
        return [each for each in listed if name in (None, each.display_name)]

    def _pipeline(self, name: str) -> str:
        asked = dict(self._whose(), filter=_equals("display_name", name))

        def look() -> str | None:
            listed = _pages(self._pipelines.pipeline_service_list_pipelines, "pipelines", **asked)
            return next((str(each.pipeline_id) for each in listed if each.display_name == name), None)

        found = look()
        if found is None:
            body = kfp.V2beta1Pipeline(display_name=name, namespace=self.connection.namespace)
            try:
                found = self._pipelines.pipeline_service_create_pipeline(body).pipeline_id
            except Refused as error:
                found = look() if error.status == 409 else None
                if found is None:
                    raise
        return str(found)

    def _version(self, pipeline: str, name: str) -> str | None:
        call = self._pipelines.pipeline_service_list_pipeline_versions
        listed = _pages(call, "pipeline_versions", pipeline, filter=_equals("display_name", name))
        return next((str(each.pipeline_version_id) for each in listed if each.display_name == name), None)

    def _whose(self) -> dict[str, str]:
        return {"namespace": self.connection.namespace} if self.connection.namespace else {}

    def _where(self) -> str:
        return f" of the namespace {self.connection.namespace}" if self.connection.namespace else ""


def _equals(key: str, value: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "string_value": value}]})


def _pages(call: Callable[..., Any], field: str, *args: str, **asked: str) -> Iterator[Any]:
    """All entries of a list that comes in pages."""
    token = ""
    while True:
        answer = call(*args, page_size=_PAGE, page_token=token, **asked)
        yield from getattr(answer, field) or []
        token = answer.next_page_token or ""
        if not token:
            return
