"""Every format, read into the same examples, and what is refused."""

import gzip
import io
import struct
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from PIL import Image

from components.ingest_spec import ImageOptions, IngestSpec, SourceFile, SplitShare, TableOptions
from components.readers import READERS, BadImage, UnreadableFile, arrays, csv
from components.readers.images import load

SHARES = (SplitShare("train", "", 0, 1, 1),)


def spec_of(format_, label="label", **changes):
    fields = {"format": format_, "label": label, "task": "multiclass", "arrays": {}, "shares": SHARES}
    return IngestSpec(**(fields | changes))


def read(path, spec):
    """Feature -> values of every record."""
    records = READERS[spec.format](SourceFile(str(path), "", 0, ""), spec)
    return [values(record) if isinstance(record, bytes) else record for record in records]


def values(record):
    features = tf.train.Example.FromString(record).features.feature
    return {name: list(getattr(f, f.WhichOneof("kind")).value) for name, f in features.items() if f.WhichOneof("kind")}


def read_csv(path, **table):
    spec = spec_of("csv", table=TableOptions(**table))
    file = SourceFile(str(path), "", 0, "")
    return read(path, csv.with_types(spec, [csv.infer(file, spec)]))


def write(path, text):
    path.write_text(text, newline="")
    return path


def test_csv_with_quotes_newlines_and_missing_values(tmp_path):
    path = write(tmp_path / "a.csv", 'label,size,name\r\n1,0.5,"said ""no"", twice\nover"\r\n0,,NA\r\n2, 3 ,\r\n')
    assert read_csv(path) == [
        {"label": [1], "size": [0.5], "name": [b'said "no", twice\nover']},
        # A missing number is left out; NA in a column of texts is a text, an empty cell is none.
        {"label": [0], "name": [b"NA"]},
        {"label": [2], "size": [3.0]},
    ]


def test_csv_types_come_from_all_rows_of_all_files(tmp_path):
    first = write(tmp_path / "a.csv", "label,x,y\n1,1,1\n")
    second = write(tmp_path / "b.csv", "label,x,y\n1,1.5,b\n")
    spec = spec_of("csv")
    found = [csv.infer(SourceFile(str(path), "", 0, ""), spec) for path in (first, second)]
    assert found[0] == {"label": "int", "x": "int", "y": "int"}
    whole = csv.with_types(spec, found)
    assert whole.table.types == {"label": "int", "x": "float", "y": "string"}
    assert read(first, whole) == [{"label": [1], "x": [1.0], "y": [b"1"]}]


def test_csv_rare_wide_value_far_behind_the_first_block_is_seen(tmp_path):
    path = write(tmp_path / "a.csv", "label,x\n" + "1,1\n" * 1_500_000 + "1,0.25\n")
    spec = spec_of("csv")
    assert csv.infer(SourceFile(str(path), "", 0, ""), spec)["x"] == "float"


def test_csv_declared_type_fill_ignore_delimiter_and_gzip(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"label;code;size;note\n1;007;;x\n"))
    table = {"types": {"code": "string"}, "fill": {"size": -1.0}, "ignore": ("note",), "delimiter": ";"}
    assert read_csv(path, **table) == [{"label": [1], "code": [b"007"], "size": [-1.0]}]


def test_csv_label_names_stand_for_numbers(tmp_path):
    path = write(tmp_path / "a.csv", "label,x\nsetosa,1\nvirginica,2\n")
    spec = spec_of(
        "csv", classes={"label": ("setosa", "virginica")}, table=TableOptions({"label": "string", "x": "int"})
    )
    assert [row["label"] for row in read(path, spec)] == [[0], [1]]
    with pytest.raises(UnreadableFile, match=r"must be one of data.label_names \(setosa\), but row 2 has 'virginica'"):
        read(path, replace(spec, classes={"label": ("setosa",)}))


@pytest.mark.parametrize(
    ("text", "table", "said"),
    [
        ("label,x\n1,2\n1,2,3\n", {}, "Expected 2 columns, got 3"),
        ("label,x,x\n1,2,3\n", {}, "x stands there more than once"),
        ("x\n1\n", {}, "must have the column label; it has x"),
        ("label,x\n1,2\n1,abc\n", {"types": {"x": "int"}}, "column x must hold int values, but row 2 has 'abc'"),
        ("", {}, "must be a CSV file with a header"),
    ],
)
def test_csv_faults_name_the_place(tmp_path, text, table, said):
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(UnreadableFile, match=said):
        read_csv(path, **table)


def test_csv_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"label,x\n1,\xff\xfe\n")
    with pytest.raises(UnreadableFile, match="must be a CSV file"):
        read_csv(path)


def test_parquet_with_lists_nulls_booleans_and_bytes(tmp_path):
    table = pa.table(
        {
            "label": pa.array([1, 0], pa.int8()),
            "series": pa.array([[1.5, 2.5], [3.5]], pa.list_(pa.float32())),
            "flag": [True, None],
            "blob": pa.array([b"\x00\xff", b""], pa.binary()),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "day": pa.array([1, 2], pa.date32()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    spec = spec_of("parquet", table=TableOptions(ignore=("day",)))
    assert read(tmp_path / "a.parquet", spec) == [
        {"label": [1], "series": [1.5, 2.5], "flag": [1], "blob": [b"\x00\xff"], "kind": [b"a"]},
        {"label": [0], "series": [3.5], "blob": [b""], "kind": [b"b"]},
    ]
    with pytest.raises(UnreadableFile, match=r"column day must hold .* but holds date32"):
        read(tmp_path / "a.parquet", spec_of("parquet"))


def test_truncated_parquet_is_refused(tmp_path):
    pq.write_table(pa.table({"label": list(range(1000))}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableFile, match="must be a Parquet file"):
        read(tmp_path / "a.parquet", spec_of("parquet"))


def test_folder_of_npy_files_reads_as_an_archive_does(tmp_path):
    x, y = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.array([0, 1, 2])
    np.savez(tmp_path / "a.npz", x=x, y=y)
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "x.npy", x)
    np.save(tmp_path / "folder" / "y.npy", y)
    spec = spec_of("npz", arrays={"image": "x", "label": "y"})
    assert read(tmp_path / "folder", spec) == read(tmp_path / "a.npz", spec)
    assert read(tmp_path / "folder", spec)[2] == {"image": [8, 9, 10, 11], "label": [2]}


def test_zip_bomb_is_refused_before_it_unpacks(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_SUSPICIOUS_BYTES", 2**20)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (2**26, 1)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(2**26))
        archive.writestr("y.npy", header.getvalue() + bytes(2**26))
    with pytest.raises(UnreadableFile, match=r"x.npy would grow from .* more than 1,000 times"):
        read(tmp_path / "a.npz", spec_of("npz", arrays={"image": "x", "label": "y"}))


def test_array_whose_header_claims_more_than_there_is_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    with pytest.raises((UnreadableFile, MemoryError)):
        read(tmp_path / "a.npz", spec_of("npz", arrays={"image": "x", "label": "y"}))


OPTIONS = ImageOptions(4, 4, 1)


def picture(path, size, color=255, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)
    return path


def image_spec(**options):
    names = {"label": ("cat", "dog")}
    return spec_of("images", classes=names, images=replace(OPTIONS, **options))


def test_images_of_a_class_have_its_number(tmp_path):
    picture(tmp_path / "dog" / "a.png", (4, 4), 7)
    picture(tmp_path / "dog" / "b.jpeg", (4, 4), 7)
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    rows = read(tmp_path / "dog", image_spec())
    assert [row["label"] for row in rows] == [[1], [1]]
    assert rows[0]["image"] == [7] * 16


@pytest.mark.parametrize(
    ("resize", "column"),
    [
        # 8 x 4 white: padded it is 4 x 2 between black rows; cropped or stretched it fills the frame.
        ("pad", [0, 255, 255, 0]),
        ("crop", [255, 255, 255, 255]),
        ("stretch", [255, 255, 255, 255]),
    ],
)
def test_other_sizes_are_resized_as_was_asked(tmp_path, resize, column):
    pixels = load(picture(tmp_path / "a.png", (8, 4)), replace(OPTIONS, resize=resize))
    assert pixels.shape == (4, 4, 1)
    assert pixels[:, 1, 0].tolist() == column


def test_exact_refuses_other_sizes(tmp_path):
    with pytest.raises(BadImage, match=r"a.png must have 4 x 4 pixels, has 8 x 4"):
        load(picture(tmp_path / "a.png", (8, 4)), replace(OPTIONS, resize="exact"))


def test_colour_and_grey_become_what_was_asked(tmp_path):
    red = picture(tmp_path / "a.png", (4, 4), (255, 0, 0), "RGB")
    assert load(red, replace(OPTIONS, channels=3))[0, 0].tolist() == [255, 0, 0]
    assert load(red, OPTIONS)[0, 0].tolist() == [76]  # ITU-R 601-2: 0.299 of 255
    assert load(picture(tmp_path / "b.png", (4, 4), 9), replace(OPTIONS, channels=3))[0, 0].tolist() == [9, 9, 9]


def test_orientation_of_the_camera_is_undone(tmp_path):
    image = Image.new("L", (4, 4))
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by half
    image.save(tmp_path / "a.png", exif=exif)
    assert load(tmp_path / "a.png", OPTIONS)[3, 3, 0] == 255


def test_unreadable_images_are_told_one_by_one(tmp_path):
    whole = picture(tmp_path / "cat" / "a.png", (64, 64)).read_bytes()
    (tmp_path / "cat" / "b.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cat" / "c.jpg").write_bytes(b"")
    (tmp_path / "cat" / "d.jpg").write_bytes(b"GIF89a")
    first, *bad = read(tmp_path / "cat", image_spec())
    assert first["label"] == [0]
    assert [str(error).split(":")[0] for error in bad] == ["b.png", "c.jpg", "d.jpg"]


def test_image_bomb_is_refused_by_its_header(tmp_path):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    with pytest.raises(BadImage, match=r"bomb.png.*(claims|exceeds)"):
        load(path, OPTIONS)
