"""Checks of the environment: each says what was found and, for a fault, what to do.

Every check takes what it looks at as an argument, so that tests can hand it a fault.
"""

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

OLDEST, NEWEST = (3, 11), (3, 13)
FREE_BYTES_WANTED = 5_000_000_000
INSTALL = "Install the lock again: rm -r .venv; make setup"
# TFX sets a component to None when its import fails, and goes on.
# fmt: off
COMPONENTS = (
    "BulkInferrer", "CsvExampleGen", "DistributionValidator", "Evaluator", "ExampleDiff", "ExampleValidator",
    "FileBasedExampleGen", "ImportExampleGen", "InfraValidator", "ModelValidator", "Pusher", "SchemaGen",
    "StatisticsGen", "Trainer", "Transform", "Tuner",
)
# fmt: on
# The two packages that differ between the locks, by lock.
NATIVE = {
    "requirements.txt": {"ml-metadata": "1.21.0", "tensorflow-data-validation": "1.21.0"},
    "requirements-glibc228.txt": {"ml-metadata": "1.17.1", "tensorflow-data-validation": "1.16.1"},
}
LIBRARIES = (
    ("TensorFlow", "tensorflow", "tensorflow", "keras"),
    ("tf_keras", "tf-keras", "tf_keras", "Model"),
    ("Model optimization", "tensorflow-model-optimization", "tensorflow_model_optimization", "sparsity"),
    ("Model analysis", "tensorflow-model-analysis", "tensorflow_model_analysis", "run_model_analysis"),
    ("Data validation", "tensorflow-data-validation", "tensorflow_data_validation", "infer_schema"),
    ("Metadata store", "ml-metadata", "ml_metadata.metadata_store.metadata_store", "MetadataStore"),
    ("LiteRT", "ai-edge-litert", "ai_edge_litert.interpreter", "Interpreter"),
)

Importer = Callable[[str], ModuleType]
VersionOf = Callable[[str], str]


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: What was looked at.
        status: A fault stops runs; a warning may.
        found: What is there.
        remedy: What to do, None when all is well.
    """

    name: str
    status: Literal["ok", "warning", "fault"]
    found: str
    remedy: str | None = None


def examine(workspace: Path) -> Iterator[Check]:
    """All checks of this machine, the quick ones first; the imports take a while."""
    yield check_python(sys.version_info[:2])
    yield check_c_library(glibc_version(), platform.system(), version_of)
    yield check_legacy_keras(os.environ)
    yield check_disk(shutil.disk_usage(_existing(workspace)).free, workspace)
    yield check_writable(workspace)
    yield check_kfp(version_of)
    with warnings.catch_warnings(), _silent_standard_error():
        warnings.simplefilter("ignore")
        # TFX first: it mends the namespaces of the libraries checked after it.
        yield check_components(importlib.import_module)
        for name, distribution, module, attribute in LIBRARIES:
            yield check_library(name, distribution, module, attribute, importlib.import_module, version_of)
        yield check_beam(run_beam)


def check_python(version: tuple[int, ...]) -> Check:
    """Python 3.11 to 3.13."""
    found = ".".join(map(str, version))
    if OLDEST <= version <= NEWEST:
        return Check("Python", "ok", found)
    return Check("Python", "fault", found, "Use Python 3.11, 3.12 or 3.13: make setup PYTHON=python3.11")


def check_c_library(glibc: tuple[int, int] | None, system: str, version: VersionOf) -> Check:
    """The installed native packages are those of the lock for this C library."""
    name = "C library"
    if system == "Darwin":
        lock, found = "requirements.txt", "macOS"
    elif glibc is None:
        return Check(name, "fault", "not glibc", "Use a Linux with glibc, Debian or Ubuntu for two.")
    else:
        lock = "requirements.txt" if glibc >= (2, 39) else "requirements-glibc228.txt"
        found = f"glibc {glibc[0]}.{glibc[1]}"
    installed = {package: version(package) for package in NATIVE[lock]}
    listed = ", ".join(f"{package} {number}" for package, number in installed.items())
    if installed == NATIVE[lock]:
        return Check(name, "ok", f"{found} with {lock} ({listed})")
    wanted = ", ".join(f"{package} {number}" for package, number in NATIVE[lock].items())
    return Check(name, "fault", f"{found} with {listed}", f"{lock} asks for {wanted}. {INSTALL}")


def check_legacy_keras(environ: Mapping[str, str]) -> Check:
    """The optimization toolkit needs Keras 2."""
    value = environ.get("TF_USE_LEGACY_KERAS")
    found = f"TF_USE_LEGACY_KERAS={value}" if value is not None else "TF_USE_LEGACY_KERAS is not set"
    if value == "1":
        return Check("Legacy Keras", "ok", found)
    return Check("Legacy Keras", "fault", found, "Type: export TF_USE_LEGACY_KERAS=1")


def check_disk(free_bytes: int, folder: Path) -> Check:
    """Room for artifacts and bundles."""
    found = f"{free_bytes / 1e9:.1f} GB free for {folder}"
    if free_bytes >= FREE_BYTES_WANTED:
        return Check("Disk", "ok", found)
    return Check(
        "Disk", "warning", found, "Free space until 5 GB are there, or name a workspace elsewhere: --workspace"
    )


def check_writable(workspace: Path) -> Check:
    """A file can be made where the workspace is or would be."""
    folder = _existing(workspace)
    probe = folder / f".doctor-{uuid.uuid4().hex}"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        remedy = "Mend its permissions, or name another workspace: --workspace DIR"
        return Check("Workspace", "fault", f"{workspace} cannot be written: {error.strerror or error}", remedy)
    return Check("Workspace", "ok", f"{workspace} can be written")


def check_kfp(version: VersionOf) -> Check:
    """The Kubeflow Pipelines SDK of the series that TFX's specs are made for."""
    found = version("kfp")
    if found.split(".")[:2] == ["2", "16"]:
        return Check("Kubeflow SDK", "ok", f"kfp {found}")
    return Check("Kubeflow SDK", "fault", f"kfp {found}", f"kfp must be 2.16.1 or newer and below 2.17. {INSTALL}")


def check_components(importer: Importer) -> Check:
    """Every TFX component is there: the package imports without those that failed."""
    name = "TFX components"
    try:
        package = importer("tfx.components")
    except Exception as error:
        return Check(name, "fault", _cause(error), INSTALL)
    missing = [component for component in COMPONENTS if getattr(package, component, None) is None]
    if missing:
        remedy = f"Type: python -c 'import tfx.components.<name>.component' to see why an import fails. {INSTALL}"
        return Check(name, "fault", f"None after a failed import: {', '.join(missing)}", remedy)
    return Check(name, "ok", f"{len(COMPONENTS)} can be imported")


def check_library(
    name: str, distribution: str, module: str, attribute: str, importer: Importer, version: VersionOf
) -> Check:
    """A library imports and has what we use of it."""
    try:
        imported = importer(module)
    except Exception as error:
        return Check(name, "fault", f"{module}: {_cause(error)}", INSTALL)
    if getattr(imported, attribute, None) is None:
        return Check(name, "fault", f"{module} has no {attribute}", INSTALL)
    return Check(name, "ok", f"{distribution} {version(distribution)}")


def check_beam(run: Callable[[], None]) -> Check:
    """Beam's in-process runner adds 1 and 2."""
    name = "Beam runner"
    try:
        run()
    except Exception as error:
        return Check(name, "fault", _cause(error), INSTALL)
    return Check(name, "ok", f"in-process, apache-beam {version_of('apache-beam')}")


def run_beam() -> None:
    """Adds 1 and 2 on Beam's in-process runner; a wrong sum is an error of the pipeline, which ends the call."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.testing.util import assert_that, equal_to

    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        assert_that(pipeline | beam.Create([1, 2]) | beam.CombineGlobally(sum), equal_to([3]))


def glibc_version() -> tuple[int, int] | None:
    """The version of the GNU C library, None where there is another one."""
    name, version = platform.libc_ver()
    if name != "glibc":
        return None
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def version_of(distribution: str) -> str:
    """The installed version, in words when there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@contextmanager
def _silent_standard_error() -> Iterator[None]:
    """Drops what TensorFlow's C++ code prints while it is imported: no variable and no flag of ours stops that."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _cause(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
