"""Names of the files that the edge check and its child process exchange in a folder, and of the golden pairs."""

MODEL = "model.tflite"
REQUEST = "request.json"
SAMPLES = "samples.npz"
ANSWERS = "answers.npz"
JOURNAL = "journal.jsonl"

SAMPLE_PREFIX = "sample/"
"""Before the name of a feature, in the names of the arrays of `SAMPLES`."""

GOLDEN = "golden.npz"
"""Beside a blessing, a selected model and a pushed version."""
