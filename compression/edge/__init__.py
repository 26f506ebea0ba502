"""The edge check: a finished TFLite model, loaded and measured as a device would, in a process of its own."""
