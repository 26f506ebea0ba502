"""Recordings: every sample format of WAV, lengths, and what is refused."""

import struct
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import tensorflow as tf
from scipy.io import wavfile

from components.ingest_spec import AudioOptions, IngestSpec, SourceFile, SplitShare
from components.readers import READERS, BadFile
from components.readers.audio import load

RATE = 8000
OPTIONS = AudioOptions(RATE, 8)
SAMPLES = np.array([0, 0.5, -0.5, 0.25, -1, 0.75, -0.25, 0])


def write(path, samples=SAMPLES, dtype="int16", rate=RATE):
    scale = {"int16": 2**15, "int32": 2**31, "float32": 1, "float64": 1}.get(dtype)
    content = (samples + 1) * 128 if scale is None else samples * scale
    wavfile.write(path, rate, content.astype(dtype))
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_every_sample_format_gives_the_same_numbers(tmp_path, dtype):
    loaded = load(write(tmp_path / "a.wav", dtype=dtype), OPTIONS)
    assert loaded.dtype == np.float32
    assert loaded.tolist() == SAMPLES.tolist()


def test_24_bits(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as stream:
        stream.setparams((1, 3, RATE, 0, "NONE", ""))
        stream.writeframes(b"".join(int(s * 2**23).to_bytes(3, "little", signed=True) for s in SAMPLES))
    assert load(tmp_path / "a.wav", OPTIONS).tolist() == SAMPLES.tolist()


def test_lengths(tmp_path):
    path = write(tmp_path / "a.wav")
    assert load(path, replace(OPTIONS, samples=10)).tolist() == [*SAMPLES, 0, 0]
    assert load(path, replace(OPTIONS, samples=5)).tolist() == SAMPLES[1:6].tolist()
    assert len(load(path, replace(OPTIONS, samples=10, length="pad"))) == 10
    assert len(load(path, replace(OPTIONS, samples=5, length="crop"))) == 5
    for length, samples in (("exact", 10), ("exact", 5), ("pad", 5), ("crop", 10)):
        with pytest.raises(BadFile, match=f"a.wav must have {samples} samples, has 8"):
            load(path, replace(OPTIONS, samples=samples, length=length))


def test_channels_are_refused_or_averaged(tmp_path):
    path = write(tmp_path / "a.wav", np.stack([SAMPLES, np.zeros(8)], axis=1))
    with pytest.raises(BadFile, match=r"a.wav must have one channel, has 2; data.audio.mix: true averages them"):
        load(path, OPTIONS)
    assert load(path, replace(OPTIONS, mix=True)).tolist() == (SAMPLES / 2).tolist()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-4])


def _mu_law(path):
    content = bytearray(path.read_bytes())
    content[20:22] = struct.pack("<H", 7)
    path.write_bytes(bytes(content))


def _nan(path):
    write(path, np.array([0, np.nan]), "float32")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_cut, "must have the 60 bytes that its header claims, has 56"),
        (_mu_law, "must be a WAV file with plain samples"),
        (_nan, "must hold finite numbers"),
        (lambda path: path.write_bytes(b"ID3 no wave"), "must be a WAV file with plain samples"),
        (lambda path: path.write_bytes(b""), "must be a WAV file with plain samples"),
        (lambda path: write(path, np.zeros(0)), "must hold samples, has none"),
        (lambda path: write(path, rate=44100), "must have 8000 samples a second, has 44100"),
    ],
)
def test_damage_is_told(tmp_path, spoil, said):
    path = write(tmp_path / "a.wav")
    spoil(path)
    with pytest.raises(BadFile, match=f"a.wav {said}"):
        load(path, OPTIONS)


def test_files_that_are_too_large_are_not_read(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav")
    monkeypatch.setattr("components.readers.audio.MOST_BYTES", 20)
    with pytest.raises(BadFile, match=r"a.wav must have at most 20 bytes, has 60"):
        load(path, OPTIONS)


def test_no_file_of_the_decoders_own_tests_leads_to_another_error():
    # Odd and damaged files of all sorts, which SciPy brings along.
    files = sorted((Path(scipy.io.__file__).parent / "tests" / "data").glob("*.wav"))
    if not files:
        pytest.skip("this SciPy was installed without its tests")
    read = 0
    for path in files:
        try:
            rate = int(path.name.split("-")[1].removesuffix("Hz"))
            samples = load(path, replace(OPTIONS, sample_rate=rate, mix=True))
        except BadFile as error:
            assert path.name in str(error)
        else:
            read += 1
            assert np.abs(samples).max() <= 1
    assert read > len(files) / 2


def test_a_folder_is_a_class_and_what_cannot_be_read_is_told_one_by_one(tmp_path):
    (tmp_path / "yes").mkdir()
    write(tmp_path / "yes" / "a.WAV")
    (tmp_path / "yes" / "b.wav").write_bytes(b"RIFF")
    (tmp_path / "yes" / "notes.txt").write_text("no recording")
    shares = (SplitShare("train", "", 0, 1, 1),)
    spec = IngestSpec("audio", "word", "multiclass", {}, shares, classes={"word": ("no", "yes")}, audio=OPTIONS)
    good, bad = READERS["audio"](SourceFile(str(tmp_path / "yes"), "", 0, ""), spec)
    features = tf.train.Example.FromString(good).features.feature
    assert list(features["audio"].float_list.value) == SAMPLES.tolist()
    assert list(features["word"].int64_list.value) == [1]
    assert isinstance(bad, BadFile)
    assert "b.wav" in str(bad)
