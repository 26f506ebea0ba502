"""Conversion to TFLite: by the converter, by the edge quantizer layer by layer, and the proof that it is the model."""
