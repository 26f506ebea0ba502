"""Spoken words, one a recording, as log-mel spectrograms (the layout of Warden's Speech Commands, 2018)."""

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

    Every operator has its like in TFLite, so `export: {inputs: raw}` works.

    Args:
        audio: `[batch, samples]`, float32 in [-1, 1].

    Returns:
        `[batch, 1 + (samples - FRAME) // HOP, BANDS]`, float32.
    """
    with tf.init_scope():  # computed once, outside of the graph, which then holds a constant
        bands = tf.signal.linear_to_mel_weight_matrix(BANDS, FFT // 2 + 1, SAMPLE_RATE, LOWEST_HZ, HIGHEST_HZ).numpy()
    power = tf.square(tf.abs(tf.signal.stft(audio, FRAME, HOP, FFT)))
    return tf.math.log(tf.matmul(power, tf.constant(bands)) + QUIET)


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The spectrogram as an image with one channel, of mean 0 and deviation 1 over the training data."""
    scaled = tft.scale_to_z_score(log_mel(inputs["audio"]))
    # The number of frames follows from shapes that are known here and no longer in a TFLite file.
    frames = _frames(inputs["audio"].shape[1])
    return {"spectrogram": tf.reshape(scaled, [-1, frames, BANDS, 1]), "word": inputs["word"]}


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
