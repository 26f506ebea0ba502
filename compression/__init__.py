"""The compression methods: pure functions on Keras models, tf.data and TFLite bytes.

Nothing here knows TFX, Beam or MLMD. Settings live in `compression.settings` and need pydantic alone.
"""
