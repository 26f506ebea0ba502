"""Examples are counted by headers alone, and nothing that is no data makes the count fail in another way."""

import gzip
import struct
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import counting
from pipeline.counting import Uncountable, count_csv_rows, count_parquet_rows, count_records, count_rows
from pipeline.tfrecord import write_tfrecord

MANY = 10**9


@pytest.fixture
def write(tmp_path):
    def write_one(name, count, packed=False):
        path = tmp_path / name
        write_tfrecord(path, ({"image": list(range(64)), "label": [i % 10]} for i in range(count)))
        if packed:
            path.write_bytes(gzip.compress(path.read_bytes()))
        return path

    return write_one


def test_records_of_plain_and_packed_files(write):
    files = [write("a", 7), write("b", 5, packed=True), write("c", 0), write("d", 1)]
    assert count_records(files, MANY) == 13
    assert count_records([], MANY) == 0


def test_counting_ends_when_there_are_enough(write):
    files = [write("a", 7), write("b", 5)]
    files[1].write_bytes(b"never read")
    assert count_records(files, 7) == 7
    with pytest.raises(Uncountable):
        count_records(files, 8)


@pytest.mark.parametrize("packed", [False, True])
def test_large_files_are_estimated_by_size(write, monkeypatch, packed):
    files = [write("a", 4000, packed), write("b", 2000, packed)]
    monkeypatch.setattr(counting, "_MOST_RECORDS", 3000)
    assert count_records(files, MANY) == pytest.approx(6000, rel=0.3)  # packed files are read ahead
    assert count_records(files, 3001) == 3001


def test_packed_records_that_grow_without_end_are_estimated(tmp_path, monkeypatch):
    record = struct.pack("<QI", 1000, 0) + bytes(1004)
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(record * 5000))
    monkeypatch.setattr(counting, "_MOST_UNPACKED_BYTES", 100 * len(record))
    assert count_records([path], MANY) > 100


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"label,image\n0,1\n1,2\n",
        struct.pack("<QI", 100, 0) + bytes(50),
        b"\x1f\x8b not gzip",
        gzip.compress(struct.pack("<QI", 5000, 0) + np.random.default_rng(1).bytes(5004), mtime=0)[:-200],
        gzip.compress(struct.pack("<QI", 1, 0) + bytes(5), mtime=0) + b"rubbish",
    ],
)
def test_what_is_no_tfrecord(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(Uncountable):
        count_records([path], MANY)
    with pytest.raises(Uncountable):
        count_records([tmp_path / "absent"], MANY)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_of_an_array(tmp_path, save):
    path = tmp_path / "d.npz"
    save(path, x=np.zeros([7, 3, 3]), y=np.arange(5, dtype=np.int64), scalar=np.array(1.0))
    assert (count_rows(path, "x"), count_rows(path, "y")) == (7, 5)
    for name in ("z", "scalar"):
        with pytest.raises(Uncountable):
            count_rows(path, name)


def test_rows_in_the_longer_header_format(tmp_path):
    path = tmp_path / "d.npz"
    wide = np.zeros(3, dtype=[(f"field{'x' * 20}{number}", "f4") for number in range(3000)])
    with pytest.warns(UserWarning, match="format 2.0"):
        np.savez(path, x=wide)
    assert count_rows(path, "x") == 3


def test_an_archive_that_is_none(tmp_path):
    path = tmp_path / "d.npz"
    with pytest.raises(Uncountable):
        count_rows(path, "x")
    path.write_bytes(b"rot")
    with pytest.raises(Uncountable):
        count_rows(path, "x")
    np.savez(path, x=np.zeros(3))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x93NUMPY", b"\x93NUMPX"))
    with pytest.raises(Uncountable):
        count_rows(path, "x")
    assert zlib.crc32(content)  # the archive was a whole one before


def test_rows_of_tables(tmp_path):
    quoted = 'a,b\r\n1,"two\n""lines"""\r\n2,x\r\n'  # two rows, one of them over two lines
    (tmp_path / "a.csv").write_bytes(quoted.encode())
    (tmp_path / "b.csv").write_bytes(gzip.compress(b"a,b\n3,y\n4,z"))
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert count_csv_rows(files, MANY) == 4
    assert count_csv_rows(files, 3) == 3
    (tmp_path / "empty.csv").touch()
    assert count_csv_rows([tmp_path / "empty.csv"], MANY) == 0
    files[1].write_bytes(files[1].read_bytes()[:-9])
    with pytest.raises(Uncountable):
        count_csv_rows(files, MANY)


@pytest.mark.parametrize("packed", [False, True])
def test_rows_of_large_tables_are_estimated_by_size(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(counting, "_BLOCK_BYTES", 50_000)
    monkeypatch.setattr(counting, "_MOST_UNPACKED_BYTES", 1_000_000)
    noise = np.random.default_rng(1).bytes(60 * 20_000).hex()  # what gzip cannot shrink to less than it reads ahead
    rows = (f'{noise[at : at + 120]},"say ""{at}"""\n' for at in range(0, len(noise), 120))
    content = "".join(['text,"quoted"\n', *rows]).encode()
    (tmp_path / "a.csv").write_bytes(gzip.compress(content) if packed else content)
    (tmp_path / "b.csv").write_bytes(b"never read")
    counted = count_csv_rows([tmp_path / "a.csv", tmp_path / "b.csv"], MANY)
    # Gzip reads ahead of what it unpacks, and the numbers grow, so the estimate is rough.
    assert counted == pytest.approx(20_000, rel=0.3 if packed else 0.05)
    assert counted != 20_000


def test_rows_of_parquet_files(tmp_path):
    for name, rows in (("a", 5), ("b", 7)):
        pq.write_table(pa.table({"x": list(range(rows))}), tmp_path / name)
    assert count_parquet_rows([tmp_path / "a", tmp_path / "b"], MANY) == 12
    (tmp_path / "b").write_bytes(b"never read")
    assert count_parquet_rows([tmp_path / "a", tmp_path / "b"], 5) == 5
    with pytest.raises(Uncountable):
        count_parquet_rows([tmp_path / "a", tmp_path / "b"], MANY)
