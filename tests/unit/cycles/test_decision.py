"""What is a reason to run again, and in which words."""

import os
from dataclasses import replace

import pytest

from components.cycles.decision import data_changes
from components.cycles.fingerprint import DataFile
from components.cycles.record import Status
from pipeline import sources
from pipeline.cycles.fingerprint import HashCache
from pipeline.errors import UserError

LONG_AGO = 10**18


def spans(*given):
    """`(span, version, content)` as files, two for each."""
    return tuple(
        DataFile(f"data/{span}/{version}/{part}", span, version, 1, f"{content}-{part}")
        for span, version, content in given
        for part in "ab"
    )


BEFORE = spans((1, None, "x"), (2, None, "x"), (3, 1, "x"))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (BEFORE, []),
        (spans((2, None, "x"), (3, 1, "x"), (4, 1, "x")), ["span 4 is new (2 files)"]),
        (spans((1, None, "x"), (2, None, "x"), (3, 2, "x")), ["span 3 has a new version 2"]),
        (spans((1, None, "x"), (2, None, "y"), (3, 1, "x")), ["span 2 changed (2 files)"]),
        (spans((1, None, "x"), (3, 1, "x")), ["span 2 is gone"]),
        (
            spans((2, None, "y"), (3, 1, "x"), (4, 1, "x"), (5, 1, "x")),
            ["span 4 is new (2 files)", "span 5 is new (2 files)", "span 2 changed (2 files)"],
        ),
        (spans(*((span, None, "x") for span in range(4, 9))), ["5 spans are new (4 to 8, 10 files)"]),
    ],
)
def test_spans_in_words(now, expected):
    assert list(data_changes(BEFORE, now)) == expected


def test_one_file_of_a_span():
    now = (replace(BEFORE[0], sha256="other"), *BEFORE[1:])
    assert list(data_changes(BEFORE, now)) == ["span 1 changed (1 file)"]


def test_files_without_spans(project):
    project.ended()
    assert project.decide().reasons == ("nothing new since cycle 1 (pushed version 1)",)
    (project.data / "b.tfrecord").write_bytes(b"second")
    assert project.decide().reasons == ("data file b.tfrecord is new",)
    for name in "cde":
        (project.data / f"{name}.tfrecord").write_bytes(b"more")
    (project.data / "a.tfrecord").write_bytes(b"other")
    decision = project.decide()
    assert decision.reasons == (
        "4 data files are new (b.tfrecord, c.tfrecord, d.tfrecord, ...)",
        "data file a.tfrecord changed",
    )
    assert decision.data_alone
    (project.data / "a.tfrecord").unlink()
    assert project.decide().reasons[-1] == "data file a.tfrecord is gone"


def test_code_configuration_and_named_files(project):
    schema = project.folder / "schema.pbtxt"
    schema.write_text("a")
    project.configure("""\
        train: {epochs: 3}
        """)
    project.ended()
    project.configure("train: {epochs: 4}\nseed: 2\n")
    assert project.decide().reasons == ("configuration changed: seed, train.epochs",)
    project.configure("train: {epochs: 3}\n")
    project.module.write_text(project.module.read_text() + "SIDE = 8\n")
    decision = project.decide()
    assert decision.reasons == ("model module cycled_model changed",)
    assert not decision.data_alone


def test_code_of_nodes(project):
    record = project.ended()
    project.records.write(replace(record, fingerprint=replace(record.fingerprint, node_code="of another release")))
    assert project.decide().reasons == ("the code of the tool changed",)


def test_where_things_run_is_no_reason(project):
    record = project.ended()
    assert "runtime" not in record.fingerprint.config


def test_the_frozen_schema_is_a_reason_once_somebody_changed_it(project):
    project.ended()
    frozen = project.workspace / "schema.pbtxt"
    frozen.write_text("written by the first run")
    assert not project.decide().runs
    project.ended(2, Status.REFUSED)
    frozen.write_text("updated by hand")
    assert project.decide().reasons == ("the frozen schema changed",)


def test_a_given_schema_is_read_and_not_only_named(project):
    schema = project.folder / "given.pbtxt"
    schema.write_text("one")
    text = project.path.read_text().replace("label: label", f"label: label, schema: {schema}")
    project.path.write_text(text)
    project.ended()
    assert not project.decide().runs
    schema.write_text("two")
    assert project.decide().reasons == ("the file of data.schema changed",)


def test_first_and_forced(project):
    assert project.decide().reasons == ("there was no cycle before",)
    project.ended()
    assert project.decide(forced=True).reasons == ("forced",)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.BLOCKED, "nothing new since cycle 2 (blocked)"),
        (Status.REFUSED, "nothing new since cycle 2 (its data were refused)"),
        (Status.FAILED, "cycle 2 failed: it is tried again"),
        (Status.KILLED, "cycle 2 was killed: it is tried again"),
        (Status.INTERRUPTED, "cycle 2 was interrupted: it is tried again"),
    ],
)
def test_how_the_last_cycle_ended_decides(project, status, reason):
    project.ended(1)
    project.ended(2, status)
    decision = project.decide()
    assert decision.reasons == (reason,)
    assert decision.runs is not reason.startswith("nothing new")


def test_new_data_are_measured_from_the_last_conclusion(project):
    project.ended(1)
    (project.data / "b.tfrecord").write_bytes(b"second")
    project.ended(2, Status.FAILED)
    assert project.decide().reasons == ("data file b.tfrecord is new", "cycle 2 failed: it is tried again")


def test_hashes_are_computed_when_size_or_time_changed(project, tmp_path, monkeypatch):
    path = project.data / "a.tfrecord"
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    read = []
    monkeypatch.setattr(sources, "file_sha256", lambda path: read.append(path.name) or "hash")

    def ask():
        cache = HashCache(tmp_path / "hashes.json")
        value = cache.sha256(path)
        cache.save()
        return value

    assert [ask(), ask()] == ["hash", "hash"]
    assert read == ["a.tfrecord"]
    os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
    ask()
    assert len(read) == 2
    (tmp_path / "hashes.json").write_text("{")
    ask()
    assert len(read) == 3


def test_a_file_written_just_now_is_read_again(project, tmp_path):
    path, cache = project.data / "a.tfrecord", HashCache(tmp_path / "hashes.json")
    first = cache.sha256(path)
    stat = path.stat()
    path.write_bytes(b"tsrif")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as within one tick of a coarse clock
    cache.save()
    assert HashCache(tmp_path / "hashes.json").sha256(path) != first


def test_no_data_at_all_is_told(project):
    (project.data / "a.tfrecord").unlink()
    with pytest.raises(UserError, match=r"data\.path must hold data files"):
        project.decide()


def test_spans_on_disk(project):
    for name in ("span-1", "span-2", "span-4"):
        (project.folder / "spans" / name).mkdir(parents=True)
        (project.folder / "spans" / name / "a.tfrecord").write_bytes(name.encode())
    text = (
        project.path.read_text()
        .replace("data, label", "spans/span-{SPAN}', window: {spans: 2}, label")
        .replace("path: ", "path: '")
    )
    project.path.write_text(text)
    record = project.ended()
    assert record.spans == [2, 4]
    # The window does not reach back to the first span.
    (project.folder / "spans" / "span-1" / "b.tfrecord").write_bytes(b"late")
    assert project.decide().reasons == ("nothing new since cycle 1 (pushed version 1)",)
    (project.folder / "spans" / "span-5").mkdir()
    (project.folder / "spans" / "span-5" / "a.tfrecord").write_bytes(b"new")
    assert project.decide().reasons == ("span 5 is new (1 file)",)
