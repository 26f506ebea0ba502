"""Model modules that cannot be used: refused before any data is read, with the place and the remedy."""

import ast
import importlib
import textwrap

import pytest

pytestmark = pytest.mark.integration

PREPROCESSING = """\
import tensorflow as tf
from tensorflow import keras

def preprocessing_fn(inputs):
    return {"image": tf.cast(inputs["image"], tf.float32) / 16.0, "label": inputs["label"]}

"""

SUBCLASSED = """\
class Mine(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(10, activation="softmax")

    def call(self, image):
        return self.head(image)

def build_model(hparams):
    return Mine()
"""

KERAS_3 = """\
import keras as keras_3

def build_model(hparams):
    image = keras_3.Input((64,), name="image")
    return keras_3.Model(image, keras_3.layers.Dense(10, activation="softmax")(image))
"""

# name -> (source, what the message says)
CASES = {
    "syntax_error": (PREPROCESSING + "def build_model(hparams:\n    pass\n", ["must be valid Python", "{file}:7"]),
    "import_error": (
        "import a_package_that_is_not_there\n" + PREPROCESSING + "def build_model(hparams): ...\n",
        ["must import, but raised ModuleNotFoundError", "a_package_that_is_not_there", "{file}:1"],
    ),
    "no_build_model": (PREPROCESSING, ["must define the function build_model", "{file}"]),
    "raises": (
        PREPROCESSING + "def build_model(hparams):\n    return hparams['width'] + 1\n",
        ["build_model must build a model, but raised KeyError: 'width'", "{file}:8"],
    ),
    "returns_nothing": (PREPROCESSING + "def build_model(hparams): ...\n", ["build_model must return", "NoneType"]),
    "subclassed": (PREPROCESSING + SUBCLASSED, ["Mine", "keras.Model(inputs, outputs)"]),
    "keras_3": (PREPROCESSING + KERAS_3, ["Keras 3", "from tensorflow import keras"]),
}


@pytest.mark.parametrize("name", CASES)
def test_unusable_module_is_refused(name, tmp_path, monkeypatch, make_config, call):
    source, says = CASES[name]
    path = tmp_path / f"module_{name}.py"
    path.write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    prove(name, path)
    config = make_config(tmp_path, model={"module": path.stem, "hparams": None})
    ended = call("run", config, "--json")
    assert ended.code == ended.result["error"]["exit_code"] == 2
    assert ended.err.startswith(f"{config}:")
    assert "model.module: " in ended.err
    for words in says:
        assert words.format(file=path) in ended.err
    assert ended.err.count("\n") == 1
    assert not list(tmp_path.glob("workspace/runs/*"))


def prove(name, path):
    """The fault is real: Python or Keras itself says so."""
    if name == "syntax_error":
        with pytest.raises(SyntaxError):
            ast.parse(path.read_text())
        return
    if name == "import_error":
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(path.stem)
        return
    module = importlib.import_module(path.stem)
    if name == "no_build_model":
        assert not hasattr(module, "build_model")
    elif name == "raises":
        with pytest.raises(KeyError):
            module.build_model({})
    elif name == "returns_nothing":
        assert module.build_model({}) is None
    elif name == "subclassed":
        with pytest.raises(ValueError, match="the layer isn't built"):
            module.build_model({}).count_params()
    else:
        assert not isinstance(module.build_model({}), module.keras.Model)


def test_preprocessing_that_raises_names_the_place(tmp_path, monkeypatch, trained, make_config, call, pushed):
    path = tmp_path / "module_preprocessing.py"
    path.write_text(
        textwrap.dedent("""\
            from tensorflow import keras

            def preprocessing_fn(inputs):
                return {"image": inputs["pixels"], "label": inputs["label"]}

            def build_model(hparams):
                image = keras.Input((64,), name="image")
                return keras.Model(image, keras.layers.Dense(10, activation="softmax")(image))
            """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KeyError):
        importlib.import_module(path.stem).preprocessing_fn({"image": 0, "label": 0})
    before = pushed(trained)
    config = make_config(tmp_path, model={"module": path.stem, "hparams": None}, runtime={"workspace": str(trained)})
    ended = call("run", config, "--json")
    assert ended.code == 1
    assert ended.err.splitlines()[0] == f"transform failed: KeyError: 'pixels' at {path}:4"
    assert ended.nodes["ingest"] == "cached"
    assert ended.nodes["transform"] == "failed"
    assert pushed(trained) == before
