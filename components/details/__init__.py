"""What lies under the report of a run: curves, layers, confusion matrices, statistics and lineage, from artifacts."""
