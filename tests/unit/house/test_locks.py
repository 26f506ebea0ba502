"""The locks: hashes everywhere, no package index named, and no difference but those that are listed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAIN, OLDER, DEV, DEVICES, BROWSER, UV = (
    "requirements.txt",
    "requirements-glibc228.txt",
    "requirements-dev.txt",
    "requirements-devices.txt",
    "requirements-browser.txt",
    "requirements-uv.txt",
)


def read(name: str) -> str:
    return (ROOT / name).read_text()


def parse(text: str) -> dict[str, set[str]]:
    """Package -> versions; several where a lock takes another one for newer Pythons."""
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, flags=re.MULTILINE):
        pins.setdefault(name, set()).add(version)
    return pins


def listed() -> dict[str, tuple[set[str], set[str]]]:
    rows = [line.split(maxsplit=3) for line in read("requirements-differences.txt").splitlines() if line[0] != "#"]
    assert all(len(row) == 4 for row in rows), "each row holds package, two versions and why"
    return {row[0]: tuple(set() if cell == "-" else set(cell.split(",")) for cell in row[1:3]) for row in rows}


def differences(main: str, older: str) -> dict[str, tuple[set[str], set[str]]]:
    left, right = parse(main), parse(older)
    pairs = {name: (left.get(name, set()), right.get(name, set())) for name in left | right}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def faults(text: str) -> list[str]:
    """What no lock may hold."""
    found = [line for line in text.splitlines() if re.search(r"://|--(extra-)?index-url|--find-links|@ ", line)]
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]:
        if not re.match(r"[A-Za-z0-9._-]+==\S+", block):
            found.append(f"not pinned: {block.splitlines()[0]}")
        if not re.search(r"--hash=sha256:[0-9a-f]{64}", block):
            found.append(f"no hash: {block.splitlines()[0]}")
    return found


@pytest.mark.parametrize("lock", [MAIN, OLDER, DEV, DEVICES, BROWSER, UV])
def test_every_pin_has_a_hash_and_no_index_is_named(lock):
    assert parse(read(lock))
    assert faults(read(lock)) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: re.sub(r"(?m)^    --hash=.*\n", "", text, count=40),
        lambda text: "--index-url https://somewhere.example/simple\n" + text,
        lambda text: text.replace("absl-py==1.4.0", "absl-py>=1.4.0"),
        lambda text: text + "thing @ https://somewhere.example/thing.whl\n",
    ],
)
def test_a_lock_that_lacks_hashes_or_names_an_index_is_seen(damage: Callable[[str], str]):
    assert faults(damage(read(MAIN)))


def test_the_two_locks_differ_in_what_is_listed_and_in_nothing_else():
    assert differences(read(MAIN), read(OLDER)) == listed()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("rich==", "rich==0."),
        lambda text: re.sub(r"(?m)^rich==.*\n(    .*\n)*", "", text),
        lambda text: text.replace("ml-metadata==1.17.1", "ml-metadata==1.16.0"),
        lambda text: text + "new-thing==1.0 \\\n",
    ],
)
def test_another_difference_is_seen(damage: Callable[[str], str]):
    assert damage(read(OLDER)) != read(OLDER)
    assert differences(read(MAIN), damage(read(OLDER))) != listed()


@pytest.mark.parametrize("extra", [DEV, DEVICES, BROWSER])
@pytest.mark.parametrize("lock", [MAIN, OLDER])
def test_extras_fit_both_locks(extra, lock):
    pins = parse(read(lock))
    for name, versions in parse(read(extra)).items():
        assert pins.get(name, versions) == versions, name


@pytest.mark.parametrize("extra", [DEVICES, BROWSER])
def test_extras_fit_each_other(extra):
    dev = parse(read(DEV))
    assert all(dev.get(name, versions) == versions for name, versions in parse(read(extra)).items())


def test_the_programs_need_no_tools_of_developers():
    needed = parse(read(MAIN)).keys() | parse(read(OLDER)).keys()
    assert not needed & {"pytest", "pytest-timeout", "ruff", "mypy", "import-linter", "moto", "flask"}
    assert not needed & {"ethos-u-vela", "tflite-micro", "playwright", "axe-playwright-python"}


def test_what_the_design_fixes_is_pinned():
    pins = parse(read(MAIN))
    for name, version in {"tfx": "1.21.0", "tensorflow": "2.21.0", "tf-keras": "2.21.0"}.items():
        assert pins[name] == {version}
    (kfp,) = pins["kfp"]
    assert kfp.startswith("2.16.")
