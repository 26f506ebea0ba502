"""Spoken words, one a recording, as log-mel spectrograms (the layout of Warden's Speech Commands, 2018)."""

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras

SAMPLE_RATE = 16_000
FRAME, HOP, FFT = 480, 320, 512
"""In samples: 30 ms of sound every 20 ms, and the next power of two."""
BANDS = 40
LOWEST_HZ, HIGHEST_HZ = 20.0, 7_600.0
QUIET = 1e-6
"""Added to every band, so that silence has a logarithm; about the noise of 16 bits."""


def log_mel(audio: tf.Tensor) -> tf.Tensor:
    """Logarithms of the power in each mel band.

    Every operator has its like in TFLite, and every size but the batch is a number, so that `export: {inputs: raw}`
    works and the memory that it takes is known; `tf.signal.stft` would compute its sizes at run time.

    Args:
        audio: `[batch, samples]`, float32 in [-1, 1].

    Returns:
        `[batch, 1 + (samples - FRAME) // HOP, BANDS]`, float32.
    """
    with tf.init_scope():  # computed once, outside of the graph, which then holds a constant
        bands = tf.signal.linear_to_mel_weight_matrix(BANDS, FFT // 2 + 1, SAMPLE_RATE, LOWEST_HZ, HIGHEST_HZ).numpy()
        window = tf.signal.hann_window(FRAME).numpy()
    spectra = tf.signal.rfft(tf.pad(framed(audio) * window, [[0, 0], [0, 0], [0, FFT - FRAME]]), [FFT])
    return tf.math.log(tf.matmul(tf.square(tf.abs(spectra)), bands) + QUIET)


def framed(audio: tf.Tensor) -> tf.Tensor:
    """Frames that overlap, `[batch, frames, FRAME]`, put together from parts that frame and hop both hold whole."""
    frames, part = _frames(audio.shape[1]), math.gcd(FRAME, HOP)
    hop, each = HOP // part, FRAME // part
    parts = tf.reshape(audio[:, : ((frames - 1) * hop + each) * part], [-1, (frames - 1) * hop + each, part])
    return tf.concat([parts[:, first : first + (frames - 1) * hop + 1 : hop] for first in range(each)], axis=-1)


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The spectrogram as an image with one channel, of mean 0 and deviation 1 over the training data."""
    scaled = tft.scale_to_z_score(log_mel(inputs["audio"]))
    return {"spectrogram": tf.expand_dims(scaled, -1), "word": inputs["word"]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """A depthwise-separable network (DS-CNN of Zhang et al., 2017, https://arxiv.org/abs/1711.07128), made smaller."""
    filters, blocks = hparams.get("filters", 48), hparams.get("blocks", 3)
    frames = _frames(hparams.get("samples", SAMPLE_RATE))
    spectrogram = keras.Input((frames, BANDS, 1), name="spectrogram")
    x = keras.layers.Conv2D(filters, (10, 4), strides=2, padding="same", use_bias=False, name="conv")(spectrogram)
    x = _normalized(x, "conv")
    for block in range(1, blocks + 1):
        x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"depth_{block}")(x)
        x = _normalized(x, f"depth_{block}")
        x = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"point_{block}")(x)
        x = _normalized(x, f"point_{block}")
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    x = keras.layers.Dropout(0.2, seed=1, name="dropout")(x)
    words = hparams.get("words", 10)
    return keras.Model(spectrogram, keras.layers.Dense(words, activation="softmax", name="word")(x))


def _frames(samples: int) -> int:
    return 1 + (samples - FRAME) // HOP


def _normalized(x: tf.Tensor, name: str) -> tf.Tensor:
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{name}")(x)
    return keras.layers.ReLU(name=f"relu_{name}")(x)
