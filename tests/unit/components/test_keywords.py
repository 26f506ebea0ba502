"""The spectrograms of the keywords example, against their definition written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from models import keywords


def mel(hertz):
    """O'Shaughnessy's formula, as HTK has it."""
    return 1127 * np.log1p(np.asarray(hertz) / 700)


def reference(audio):
    """Hann windows, power spectra, and triangles that are straight and overlap by half on the mel scale."""
    frames = 1 + (len(audio) - keywords.FRAME) // keywords.HOP
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(keywords.FRAME) / keywords.FRAME)
    cut = np.stack([audio[at * keywords.HOP :][: keywords.FRAME] * hann for at in range(frames)])
    power = np.abs(np.fft.rfft(cut, keywords.FFT)) ** 2
    edges = np.linspace(mel(keywords.LOWEST_HZ), mel(keywords.HIGHEST_HZ), keywords.BANDS + 2)
    places = mel(np.linspace(0, keywords.SAMPLE_RATE / 2, keywords.FFT // 2 + 1))[:, np.newaxis]
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    return np.log(power @ np.maximum(0, np.minimum(rising, falling)) + keywords.QUIET)


def test_log_mel_is_what_its_definition_says():
    audio = np.random.default_rng(1).normal(0, 0.1, (2, 4000)).astype(np.float32)
    computed = keywords.log_mel(tf.constant(audio)).numpy()
    assert computed.shape == (2, 12, keywords.BANDS)
    # Single precision in the transform, and a logarithm that keeps relative errors: 1e-5 of the power is 1e-5 here.
    np.testing.assert_allclose(computed, [reference(row.astype(np.float64)) for row in audio], atol=1e-4)


@pytest.mark.parametrize("hertz", [300, 1000, 4000])
def test_a_tone_is_loudest_in_its_own_band(hertz):
    audio = np.sin(2 * np.pi * hertz * np.arange(4000) / keywords.SAMPLE_RATE).astype(np.float32)
    loudest = keywords.log_mel(tf.constant(audio[np.newaxis])).numpy()[0].argmax(axis=1)
    centres = np.linspace(mel(keywords.LOWEST_HZ), mel(keywords.HIGHEST_HZ), keywords.BANDS + 2)[1:-1]
    assert np.abs(centres[loudest] - mel(hertz)).max() <= centres[1] - centres[0]


def test_silence_has_a_logarithm_and_the_model_takes_what_the_transform_gives():
    silent = keywords.log_mel(tf.zeros([1, keywords.SAMPLE_RATE])).numpy()
    np.testing.assert_allclose(silent, np.log(keywords.QUIET))
    model = keywords.build_model({"filters": 4, "blocks": 1, "words": 3})
    assert model(silent[..., np.newaxis]).shape == (1, 3)
