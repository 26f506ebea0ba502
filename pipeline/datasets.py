"""Example data: where each set comes from, and how it gets into place, whole or not at all."""

import csv
import hashlib
import itertools
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from pipeline.errors import UserError
from pipeline.tfrecord import write_tfrecord

# Ingest reads every file of a folder but those whose names start with `_` or a dot.
SOURCE = "_SOURCE.json"
DIGITS_FILES = 3
DIGITS_SPANS = Path("data/digits-spans")
MOST_SPANS = 50

Example = dict[str, list[int]]


@dataclass(frozen=True)
class Archive:
    """A data set of one file that the user has or gets.

    Attributes:
        file: Its name, both where it is looked for and where it is put.
        sha256: Of the file; another file is refused.
        origin: Where it comes from, in words.
    """

    file: str
    sha256: str
    origin: str


ARCHIVES = {
    "fashion-mnist": Archive(
        "fashion_mnist.npz",
        "5b6d2c4c694a91887af8ab7d039c04f80af3c29378d731c93a538d2e831aa469",
        "Zalando's repository zalandoresearch/fashion-mnist (MIT), as npz with x_train, y_train, x_test and y_test",
    ),
    "magic-wand": Archive(
        "magic_wand_digits.npz",
        "28fae272c805eaca1af7aee89be20141281f589a867cade622bf3d957d7fc73d",
        "the repository petewarden/magic_wand_digit_data (Apache-2.0), strokes drawn as 32x32 images, as npz",
    ),
}
FOLDERS = {
    "digits": Path("data/digits"),
    "fashion-mnist": Path("data/fashion_mnist"),
    "magic-wand": Path("data/magic_wand"),
    "diabetes": Path("data/diabetes"),
    "breast-cancer": Path("data/breast_cancer"),
}
TABLES = {
    "diabetes": "scikit-learn's load_diabetes, as measured: Efron, Hastie, Johnstone and Tibshirani (2004)",
    "breast-cancer": "scikit-learn's load_breast_cancer: UCI, Breast Cancer Wisconsin (Diagnostic) (CC BY 4.0)",
}


@dataclass(frozen=True)
class Fetched:
    """What stands where after a fetch.

    Attributes:
        name: The data set.
        folder: Where its files are.
        sha256: File name -> checksum.
        created: False when the files were there already, with these checksums.
    """

    name: str
    folder: Path
    sha256: Mapping[str, str]
    created: bool


def fetch(
    name: str,
    folder: Path | None = None,
    source: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    spans: int | None = None,
) -> Fetched:
    """Puts a data set in place, or checks the one that is there.

    Args:
        name: A key of `FOLDERS`.
        folder: Where to; by default the folder that the configuration of the same name reads.
        source: The file of an archive; by default the one in the folder that `EDGE_DATA` names.
        environ: Environment variables.
        spans: Cut the digits into so many spans, in the order of the file, as `folder/span-<n>`.

    Raises:
        UserError: The source is missing or another file, the folder holds something else or cannot be written.
    """
    if spans is not None and name != "digits":
        raise UserError(f"The data set {name} has no spans; --spans must be left out, got {spans}.")
    folder = folder or (FOLDERS[name] if spans is None else DIGITS_SPANS)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if name == "digits":
                return fetch_digits(folder, source, spans)
            if name in TABLES:
                return fetch_table(name, folder, source)
            return fetch_archive(name, folder, source, environ)
    except OSError as error:
        raise UserError(
            f"The data set {name} must be written to {folder}; it gave: {error}. "
            "Free space, mend the permissions or name another folder with --to."
        ) from error


def fetch_digits(folder: Path, source: Path | None, spans: int | None = None) -> Fetched:
    """Writes scikit-learn's 1,797 digits (8x8 pixels, 0 to 16) as TFRecords with `image` and `label`, both int64.

    In spans they keep the order in which they were collected: later spans hold the hands of other people.
    """
    if source is not None:
        raise UserError(f"The digits come with scikit-learn; --from must be left out, got {source}.")
    if folder.exists() and any(folder.iterdir()):
        held = _verify(folder)
        if len(held) != (spans or DIGITS_FILES) or any("/" in name for name in held) != (spans is not None):
            cut = f"{spans} spans" if spans else "no spans"
            raise UserError(
                f"{folder} must be absent or hold the digits in {cut}; it holds {len(held)} files of another fetch. "
                f"Remove {folder} and fetch again, or name another folder with --to."
            )
        return Fetched("digits", folder, held, created=False)
    with _beside(folder) as incoming:
        incoming.mkdir()
        examples = list(_digits())
        for name, part in _digit_files(examples, spans):
            (incoming / name).parent.mkdir(exist_ok=True)
            write_tfrecord(incoming / name, part)
        written = sorted(path for path in incoming.rglob("*") if path.is_file())
        files = {path.relative_to(incoming).as_posix(): file_sha256(path) for path in written}
        origin = "scikit-learn's load_digits: UCI, Optical Recognition of Handwritten Digits (CC BY 4.0), test part"
        record = {"name": "digits", "origin": origin, "examples": len(examples), "sha256": files}
        (incoming / SOURCE).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        incoming.replace(folder)
    return Fetched("digits", folder, files, created=True)


def _digit_files(examples: list[Example], spans: int | None) -> Iterator[tuple[str, list[Example]]]:
    if spans is None:
        for part in range(DIGITS_FILES):
            yield f"digits-{part:05d}-of-{DIGITS_FILES:05d}.tfrecord", examples[part::DIGITS_FILES]
        return
    ends = [len(examples) * number // spans for number in range(spans + 1)]
    for number, (first, end) in enumerate(itertools.pairwise(ends), start=1):
        yield f"span-{number}/digits.tfrecord", examples[first:end]


def fetch_table(name: str, folder: Path, source: Path | None) -> Fetched:
    """Writes one of scikit-learn's tables as CSV, names of classes in words."""
    if source is not None:
        raise UserError(f"The data set {name} comes with scikit-learn; --from must be left out, got {source}.")
    if folder.exists() and any(folder.iterdir()):
        return Fetched(name, folder, _verify(folder), created=False)
    file = f"{folder.name}.csv"
    with _beside(folder) as incoming:
        incoming.mkdir()
        with (incoming / file).open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(_table(name))
        record = {"name": name, "origin": TABLES[name], "sha256": {file: file_sha256(incoming / file)}}
        (incoming / SOURCE).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        incoming.replace(folder)
    return Fetched(name, folder, record["sha256"], created=True)


def _table(name: str) -> Iterator[list[str]]:
    from sklearn.datasets import load_breast_cancer, load_diabetes

    data = load_diabetes(scaled=False) if name == "diabetes" else load_breast_cancer()
    label = "progression" if name == "diabetes" else "diagnosis"
    yield [*(column.replace(" ", "_") for column in data.feature_names), label]
    classes = None if name == "diabetes" else data.target_names
    for row, target in zip(data.data, data.target, strict=True):
        yield [*(f"{value:.10g}" for value in row), str(classes[int(target)]) if classes is not None else f"{target:g}"]


def fetch_archive(name: str, folder: Path, source: Path | None, environ: Mapping[str, str]) -> Fetched:
    """Copies the file of an archive, checked against its sha256."""
    archive = ARCHIVES[name]
    place = folder / archive.file
    if place.exists():
        _check_archive(archive, place, f"Remove {place} and fetch again.")
        return Fetched(name, folder, {archive.file: archive.sha256}, created=False)
    if source is None and environ.get("EDGE_DATA"):
        source = Path(environ["EDGE_DATA"]) / archive.file
    if source is None or not source.is_file():
        raise UserError(
            f"The data set {name} needs its file {archive.file}; {source or 'no --from'} "
            f"{'is not there' if source else 'was given'}. Get it from {archive.origin}, then give it: --from FILE."
        )
    folder.mkdir(exist_ok=True)
    with _beside(place) as incoming:
        shutil.copyfile(source, incoming)
        _check_archive(archive, incoming, f"Get it from {archive.origin}.", said=source)
        incoming.replace(place)
    return Fetched(name, folder, {archive.file: archive.sha256}, created=True)


def file_sha256(path: Path) -> str:
    """The checksum of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digits() -> Iterator[Example]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for image, label in zip(digits.data, digits.target, strict=True):
        yield {"image": [int(pixel) for pixel in image], "label": [int(label)]}


def _verify(folder: Path) -> dict[str, str]:
    remedy = f"Remove {folder} and fetch again, or name another folder with --to."
    try:
        expected = json.loads((folder / SOURCE).read_text())["sha256"]
        files: dict[str, str] = {str(name): str(value) for name, value in expected.items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{folder} must be absent or hold what an earlier fetch wrote, with its {SOURCE}; it holds something else. "
            f"{remedy}"
        ) from None
    for name, sha256 in files.items():
        found = file_sha256(folder / name) if (folder / name).is_file() else "no such file"
        if found != sha256:
            raise UserError(f"{folder / name} must have sha256 {sha256}; found: {found}. {remedy}")
    return files


def _check_archive(archive: Archive, path: Path, remedy: str, said: Path | None = None) -> None:
    found = file_sha256(path)
    if found != archive.sha256:
        raise UserError(f"{said or path} must have sha256 {archive.sha256}; it has {found}. {remedy}")


@contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A hidden name in the same folder to write to; what a killed fetch left there goes first (under the lock)."""
    prefix = f".{place.name}.incoming-"
    for leftover in place.parent.glob(f"{prefix}*"):
        _remove(leftover)
    incoming = place.with_name(f"{prefix}{uuid.uuid4().hex}")
    try:
        yield incoming
    finally:
        _remove(incoming)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
