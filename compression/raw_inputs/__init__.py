"""Raw features instead of transformed ones as a finished model's inputs: the transform goes into the TFLite file."""
