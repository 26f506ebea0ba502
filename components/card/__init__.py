"""The model card of a pushed version: what it holds, how it reads, and how the model is run."""
