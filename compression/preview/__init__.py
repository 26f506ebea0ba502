"""What the steps would do to a model, told before anything is trained: which layers, which sizes, which obstacles."""
