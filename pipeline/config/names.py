"""Patterns of names that become paths or node ids, with the words in which a fault explains each."""

import re

from compression.settings.edge import PROFILE_NAME

PIPELINE_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
VARIANT_NAME = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
MODULE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
SOURCE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
FEATURE_NAME = r"^[A-Za-z_][A-Za-z0-9_./-]{0,99}$"
OUTPUT_NAME = r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$"
ARRAY_NAME = r"^[^\x00/\\]+$"
FILE_PATH = r"^[^\x00\r\n]+$"
K8S_NAME = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
LABEL_KEY = r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$"
VOLUME_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
SECRET_KEY = r"^[A-Za-z0-9_.-]{1,253}$"
ADDRESS = r"^[A-Za-z0-9._-]+:[0-9]{1,5}$"
BUCKET_PATH = r"^gs://[^\s]+$"
FLAG_TEXT = r"^[^\x00\r\n\t]+$"
MAX_NAME = 40

WORDS = {
    PIPELINE_NAME: "lower-case letters and digits, with single dashes between, starting with a letter",
    VARIANT_NAME: "lower-case letters and digits, with single underscores between, starting with a letter",
    MODULE_NAME: "a dotted module name such as models.digits",
    SOURCE_NAME: "the name of a source, without / and not starting with .",
    FEATURE_NAME: "a feature name of letters, digits, _ . / and -, starting with a letter or _",
    OUTPUT_NAME: "the name of an output, of letters, digits, _ . and -, starting with a letter",
    ARRAY_NAME: "the name of an array, not empty and without / or \\",
    PROFILE_NAME: "the name of a profile, of lower-case letters, digits, - and _",
    FILE_PATH: "a path in one line, not empty",
    K8S_NAME: "the name of an object on the cluster, of lower-case letters, digits, - and .",
    LABEL_KEY: "the key of a label, such as team or example.org/team",
    LABEL_VALUE: "the value of a label: at most 63 letters, digits, _ . and -",
    VOLUME_NAME: "a name of at most 63 lower-case letters, digits and -, which a volume can bear",
    ADDRESS: "an address such as localhost:8099, without http://",
    FLAG_TEXT: "text in one line, not empty",
    BUCKET_PATH: "a folder on Google Cloud Storage such as gs://bucket/temp",
    SECRET_KEY: "a key of a secret, of letters, digits, _ . and -",
}


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text fits; unlike `re.match`, a trailing newline does not slip past `$`."""
    return re.fullmatch(pattern, text) is not None
