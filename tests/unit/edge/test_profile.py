"""Profiles are data, read strictly; budgets refuse nonsense when they are made."""

import pytest
from ai_edge_litert import schema_py_generated as schema
from pydantic import ValidationError

from compression.edge.host import host_key
from compression.edge.latency import measure
from compression.edge.profile import PROFILES, load_profile, profile_names
from compression.errors import CompressionError
from compression.settings.edge import EdgeSettings
from compression.settings.profile import Profile

TINY = "name: tiny\ndescription: small\ndevice: litert\nkernels: builtin\n"


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_and_survives_json(name):
    profile = load_profile(name)
    assert Profile.model_validate_json(profile.model_dump_json()) == profile
    known = vars(schema.BuiltinOperator)
    assert [operator for operator in profile.operators or () if operator not in known] == []


def test_the_profiles_that_the_documents_name():
    assert profile_names() == ["cpu", "ethos-u", "mcu"]
    assert PROFILES.name == "profiles"
    # What the NPU cannot take runs in TensorFlow Lite Micro beside it.
    assert load_profile("ethos-u").operators == load_profile("mcu").operators


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TINY + "colour: red\n", "colour"),
        (TINY + "name: tiny\n", "'name' twice"),
        (TINY.replace("litert", "gpu"), "device"),
        (TINY.replace("litert", "vela"), "vela must be given exactly when"),
        (TINY.replace("small", "yes"), "description"),
        (TINY.replace("tiny", "other"), "must be named 'tiny'"),
        (TINY + "operators: &a [ADD]\ncustom_operators: *a\n", "aliases"),
        (TINY + "operators: []\n", "operators"),
        ("!!python/object/apply:os.getcwd []\n", "python/object"),
        ("[1, 2\n", "valid profile"),
        ("", "valid profile"),
        ("#" * 70_000, "65536 bytes"),
    ],
)
def test_wrong_profiles_are_refused_in_words(tmp_path, text, words):
    (tmp_path / "tiny.yaml").write_text(text)
    with pytest.raises(CompressionError, match=words):
        load_profile("tiny", tmp_path)


@pytest.mark.parametrize("name", ["gpu", "../cpu", "", "cpu.yaml"])
def test_unknown_names_are_refused(name):
    with pytest.raises(CompressionError, match="must be one of cpu, ethos-u, mcu"):
        load_profile(name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_size_bytes": 0},
        {"max_size_bytes": 1.5},
        {"max_latency_ms": 0.0},
        {"max_latency_ms": float("inf")},
        {"max_latency_ms": float("nan")},
        {"threads": 0},
        {"threads": True},
        {"profile": "../cpu"},
        {"max_size": 1},
    ],
)
def test_wrong_budgets_are_refused(wrong):
    with pytest.raises(ValidationError):
        EdgeSettings(**wrong)


def test_budgets_are_frozen_and_absent_by_default():
    settings = EdgeSettings()
    assert settings.model_dump(exclude_none=True) == {"profile": "cpu", "threads": 1}
    with pytest.raises(ValidationError):
        settings.threads = 2


def test_the_host_key_names_what_a_measurement_depends_on(monkeypatch):
    assert host_key(1) != host_key(2)
    before = host_key(1)
    monkeypatch.setattr("compression.edge.host.installed_version", lambda package: "9.9")
    assert "tflite-micro 9.9" in host_key(1) != before


def test_latency_prepares_outside_the_time_and_counts_the_best_round():
    calls = []
    found = measure([lambda: calls.append("a"), lambda: calls.append("b")], lambda: None, 0.03)
    assert calls[:4] == ["a", "b", "a", "b"]
    assert found.p50_ms == min(found.rounds_p50_ms)
    assert found.warmup_invokes <= 50


def test_a_slow_model_is_timed_at_least_once_a_round_and_has_no_p99():
    calls = []
    found = measure([lambda: None], lambda: calls.append(1), 0.0)
    assert len(calls) == 4
    assert (found.invokes, found.p99_ms) == (1, None)
