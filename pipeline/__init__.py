"""From one YAML file to a TFX pipeline, its local runner and its command line."""
