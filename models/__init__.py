"""Model modules: what a user writes. Each has `preprocessing_fn(inputs)` and `build_model(hparams)`."""
