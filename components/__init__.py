"""TFX components: artifacts in, one call into `compression` or `registry`, artifacts out."""
