"""Options of Beam's engines, under Beam's own names; a test holds them against the parsers of the installed Beam."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, show
from pipeline.config.names import ADDRESS, BUCKET_PATH, FILE_PATH, FLAG_TEXT

Address = Annotated[str, Field(pattern=ADDRESS)]
Text = Annotated[str, Field(pattern=FLAG_TEXT)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Bucket = Annotated[str, Field(pattern=BUCKET_PATH)]
Count = Annotated[int, Field(ge=1, le=100_000)]


class EngineOptions(Settings):
    """Options that become flags of Beam."""

    def given(self) -> dict[str, Any]:
        """Those that the file names, under Beam's names; lists as the file holds them."""
        made: dict[str, Any] = self.model_dump(mode="json", exclude_unset=True)
        return made


class LocalOptions(EngineOptions):
    """The engine in the process of the run takes no options."""


class PortableOptions(EngineOptions):
    """What engines behind a job server have in common."""

    job_endpoint: Address | None = Field(
        default=None, description="host:port of a job server that runs already; default: Beam starts one, by Java"
    )
    artifact_endpoint: Address | None = Field(
        default=None, description="host:port for staging artifacts; default: what the job server says"
    )
    job_server_timeout: Count | None = Field(
        default=None, description="seconds that a request to the job server may take; Beam's default is 300"
    )
    artifacts_dir: str | None = Field(
        default=None,
        pattern=FILE_PATH,
        description="where a job server that Beam starts keeps staged files; the engine's workers must see it",
    )
    job_server_java_launcher: str | None = Field(
        default=None, pattern=FILE_PATH, description="the Java that starts the job server; default: `java`"
    )
    job_server_jvm_properties: Texts | None = Field(
        default=None, description="arguments of that Java, such as `-Xmx2g`"
    )
    environment_type: Literal["DOCKER", "PROCESS", "EXTERNAL", "LOOPBACK"] | None = Field(
        default=None,
        description="where Python code runs: `EXTERNAL`: in a worker pool (`python -m components.beam_worker`) beside "
        "each of the engine's workers; `DOCKER`: in our image; `PROCESS`: in a command that each worker starts; "
        "`LOOPBACK`: in the process of the run",
    )
    environment_config: Text | None = Field(
        default=None,
        description="for `EXTERNAL` host:port of the worker pool as the engine's workers see it, for `DOCKER` the "
        'image, for `PROCESS` JSON such as `{"command": "/opt/worker"}`',
    )
    sdk_worker_parallelism: int | None = Field(
        default=None, ge=0, le=1_000, description="Python workers for each of the engine's; 0: the engine decides"
    )
    environment_cache_millis: int | None = Field(
        default=None, ge=0, le=86_400_000, description="how long a Python worker is kept for the same job"
    )
    experiments: Texts | None = Field(default=None, description="Beam's `--experiments`")

    def _environment_faults(self, embedded: bool) -> list[Fault]:
        kind, config = self.environment_type, self.environment_config
        if kind is None:
            if embedded:
                return []
            advice = "EXTERNAL with a worker pool suits most; see docs/beam-engines.md"
            return [Fault(("environment_type",), "must be given, unless the engine is embedded", "nothing", advice)]
        if kind == "LOOPBACK":
            if config is None:
                return []
            return [Fault(("environment_config",), "must be left out with LOOPBACK", show(config))]
        if config is None:
            what = {"EXTERNAL": "host:port of the worker pool", "DOCKER": "the image"}.get(kind, "the command, as JSON")
            return [Fault(("environment_config",), f"must be given with {kind}: {what}", "nothing")]
        return []


class FlinkOptions(PortableOptions):
    """Options of `runner: flink`."""

    flink_master: Text | None = Field(
        default=None,
        description="host:port of Flink's REST interface, or `[local]` for a Flink inside the job server; with "
        "`job_endpoint` it is the job server that knows",
    )
    flink_version: Literal["1.19", "1.20", "2.0", "2.1", "2.2"] | None = Field(
        default=None, description="Flink's version, for the job server that Beam fetches"
    )
    flink_job_server_jar: str | None = Field(
        default=None, pattern=FILE_PATH, description="the job server that Beam starts; default: it fetches one"
    )
    flink_submit_uber_jar: bool = Field(
        default=False, description="hand Flink one jar with everything, without a job server"
    )
    parallelism: Count | None = Field(default=None, description="tasks side by side; at most Flink's slots")
    max_parallelism: Count | None = Field(default=None, description="key groups, the upper limit of scaling")

    @model_validator(mode="after")
    def _consistent(self) -> "FlinkOptions":
        faults = self._environment_faults(embedded=self.flink_master == "[local]")
        if self.job_endpoint is None and self.flink_master is None:
            must = "must be given, or job_endpoint: where Flink or its job server is"
            faults.append(Fault(("flink_master",), must, "neither", "[local] starts a Flink on this machine"))
        if self.flink_submit_uber_jar and (self.flink_master or "[local]").startswith("["):
            must = "must come with flink_master: the address of a cluster"
            faults.append(Fault(("flink_submit_uber_jar",), must, "true without it"))
        if faults:
            raise SectionError(*faults)
        return self


class SparkOptions(PortableOptions):
    """Options of `runner: spark`."""

    spark_master_url: Text | None = Field(
        default=None, description="such as `spark://host:7077`, or `local[2]` for a Spark inside the job server"
    )
    spark_job_server_jar: str | None = Field(
        default=None, pattern=FILE_PATH, description="the job server that Beam starts; default: it fetches one"
    )
    spark_submit_uber_jar: bool = Field(default=False, description="hand Spark one jar, without a job server")
    spark_rest_url: Text | None = Field(
        default=None, description="such as `http://host:6066`; needed with `spark_submit_uber_jar`"
    )
    spark_version: Literal["3"] | None = Field(default=None, description="Spark's major version")

    @model_validator(mode="after")
    def _consistent(self) -> "SparkOptions":
        faults = self._environment_faults(embedded=(self.spark_master_url or "").startswith("local"))
        if self.job_endpoint is None and self.spark_master_url is None:
            must = "must be given, or job_endpoint: where Spark or its job server is"
            faults.append(Fault(("spark_master_url",), must, "neither", "such as spark://host:7077, or local[2]"))
        if self.spark_submit_uber_jar and self.spark_rest_url is None:
            faults.append(Fault(("spark_rest_url",), "must be given with spark_submit_uber_jar", "nothing"))
        if faults:
            raise SectionError(*faults)
        return self


class DataflowOptions(EngineOptions):
    """Options of `runner: dataflow`."""

    project: Text = Field(description="the project of Google Cloud that pays")
    region: Text = Field(description="such as `europe-west3`")
    temp_location: Bucket = Field(description="a `gs://` folder for temporary files")
    sdk_container_image: Text = Field(description="our image, which holds all that workers import; docs/kubeflow.md")
    staging_location: Bucket | None = Field(
        default=None, description="a `gs://` folder for staged files; default: below `temp_location`"
    )
    service_account_email: Text | None = Field(default=None, description="whose rights the workers have")
    num_workers: Count | None = Field(default=None, description="workers at first")
    max_num_workers: Count | None = Field(default=None, description="workers at most")
    autoscaling_algorithm: Literal["NONE", "THROUGHPUT_BASED"] | None = Field(
        default=None, description="whether the number of workers follows the work"
    )
    machine_type: Text | None = Field(default=None, description="such as `n2-standard-4`")
    disk_size_gb: Count | None = Field(default=None, description="disk of each worker, in GB")
    worker_zone: Text | None = Field(default=None, description="zone of the workers")
    network: Text | None = Field(default=None, description="their network")
    subnetwork: Text | None = Field(default=None, description="their subnetwork")
    use_public_ips: bool | None = Field(default=None, description="whether workers have public addresses")
    labels: Texts | None = Field(default=None, description="labels of the job, each `key=value`")
    dataflow_service_options: Texts | None = Field(default=None, description="options of the service")
    experiments: Texts | None = Field(default=None, description="Beam's `--experiments`")
