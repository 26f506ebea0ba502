"""The gate: candidate and baseline answer the same examples, whole batches at a time, and the difference is judged."""
