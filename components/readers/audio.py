"""Folders of recordings, one folder for every class; uncompressed WAV of any length, decoded to one channel."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components.ingest_spec import AudioOptions, IngestSpec, SourceFile
from components.readers.folders import read_folder
from components.readers.unreadable import BadFile

AUDIO = "audio"
"""The feature that holds the samples."""

MOST_BYTES = 256 * 2**20
"""A longer file is refused before it is read: 46 minutes of 16-bit stereo at 24 kHz are no example of a class."""

_RIFF_HEADER_BYTES = 8


def read_audio(file: SourceFile, spec: IngestSpec) -> Iterator[bytes | BadFile]:
    """One example for every recording of a folder: its samples, `float32 [samples]`, and its class."""
    assert spec.audio is not None
    options = spec.audio
    yield from read_folder(file, spec, AUDIO, lambda path: load(path, options))


def load(path: Path, options: AudioOptions) -> np.ndarray:
    """The samples of one recording, `float32 [samples]`; integer formats are scaled to [-1, 1).

    Raises:
        BadFile: It is damaged, no WAV file with plain samples, too large, or has another rate, length or number of
            channels than it may have.
    """
    size_bytes = path.stat().st_size
    if size_bytes > MOST_BYTES:
        raise BadFile(f"{path.name} must have at most {MOST_BYTES:,} bytes, has {size_bytes:,}")
    rate, samples = _decoded(path)
    if rate != options.sample_rate:
        raise BadFile(f"{path.name} must have {options.sample_rate} samples a second, has {rate}")
    if samples.ndim == 2 and samples.shape[1] > 1 and not options.mix:
        raise BadFile(f"{path.name} must have one channel, has {samples.shape[1]}; data.audio.mix: true averages them")
    mono = _scaled(samples).reshape(len(samples), -1).mean(axis=1, dtype=np.float64)
    if not np.isfinite(mono).all():
        raise BadFile(f"{path.name} must hold finite numbers, no NaN and no infinity")
    return _fitted(path, mono.astype(np.float32), options)


def _decoded(path: Path) -> tuple[int, np.ndarray]:
    # Takes a third of a second to import, which data of other formats need not pay.
    from scipy.io import wavfile

    content = path.read_bytes()
    # The decoder takes what is there of a recording that was cut off, and makes no error of it.
    order = "big" if content[:4] == b"RIFX" else "little"
    claimed = _RIFF_HEADER_BYTES + int.from_bytes(content[4:8], order)
    if content[:4] in (b"RIFF", b"RIFX") and claimed > len(content):
        raise BadFile(f"{path.name} must have the {claimed:,} bytes that its header claims, has {len(content):,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of notes beside the samples, such as titles
            rate, samples = wavfile.read(io.BytesIO(content))
    except Exception as error:  # damaged headers lead the decoder into errors of any kind
        raise BadFile(f"{path.name} must be a WAV file with plain samples: {error}") from error
    if not len(samples):
        raise BadFile(f"{path.name} must hold samples, has none")
    return rate, samples


def _scaled(samples: np.ndarray) -> np.ndarray:
    """To [-1, 1), `float64`; floats as they are. Samples of 24 bits come in the upper part of 32."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    if samples.dtype.kind == "u":  # 8 bits are unsigned in WAV files
        return samples.astype(np.float64) / 128 - 1
    return samples / -float(np.iinfo(samples.dtype).min)


def _fitted(path: Path, samples: np.ndarray, options: AudioOptions) -> np.ndarray:
    missing = options.samples - len(samples)
    if missing == 0:
        return samples
    if options.length not in ("fit", "pad" if missing > 0 else "crop"):
        raise BadFile(f"{path.name} must have {options.samples:,} samples, has {len(samples):,}")
    if missing > 0:
        return np.pad(samples, (0, missing))
    first = -missing // 2
    return samples[first : first + options.samples]
