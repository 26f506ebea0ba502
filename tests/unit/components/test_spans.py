"""Spans: which folders and files a path with placeholders names, and which of them a run reads."""

import pytest

from components.spans import Pattern, PatternError, SpanError, window


@pytest.fixture
def tree(tmp_path):
    """`tree("span-1", ...)` makes a file `data` in each folder; a name that ends with / stays empty."""

    def make(*names: str):
        for name in names:
            (tmp_path / name).mkdir(parents=True)
            if not name.endswith("/"):
                (tmp_path / name / "data").write_text(name)
        return tmp_path

    return make


def read(root, pattern, count=None):
    parsed = Pattern.parse(f"{root}/{pattern}")
    return window(parsed, count, lambda path: path.is_dir() and not any(path.iterdir()))


def numbers(found):
    return [(delivery.span, delivery.version) for delivery in found.deliveries]


def test_a_path_without_placeholders_is_none():
    assert Pattern.parse("data/digits") is None


@pytest.mark.parametrize(
    ("text", "must"),
    [
        ("data/{SPAN", "must close every {"),
        ("data/{SPAM}", "must hold no placeholders but {SPAN}, {VERSION}, {YYYY}, {MM}, {DD}"),
        ("data/{SPAN}/{SPAN}", "must hold each placeholder once"),
        ("data/{VERSION}", "must hold {SPAN} or a date"),
        ("data/{YYYY}-{MM}", "must hold all of {YYYY}, {MM} and {DD}"),
        ("data/{YYYY}-{MM}-{DD}/{SPAN}", "must hold {SPAN} or a date, and not both"),
        ("data/{SPAN:0}", "must give a width from 1 to 9"),
        ("data/{YYYY:4}-{MM}-{DD}", "must give a width from 1 to 9 for {SPAN} and {VERSION} alone"),
    ],
)
def test_placeholders_that_make_no_sense(text, must):
    with pytest.raises(PatternError) as caught:
        Pattern.parse(text)
    assert str(caught.value).startswith(must)


def test_spans_are_sorted_by_number_and_not_by_name(tree):
    root = tree("span-2", "span-10", "span-1", "other", "span-x")
    assert numbers(read(root, "span-{SPAN}")) == [(1, None), (2, None), (10, None)]


def test_a_width_takes_names_of_that_width_alone(tree):
    assert numbers(read(tree("s-001", "s-2", "s-0003"), "s-{SPAN:3}")) == [(1, None)]


def test_the_newest_version_that_holds_data_counts(tree):
    found = read(tree("1/v1", "1/v2", "2/v1", "2/v2/"), "{SPAN}/v{VERSION}")
    assert numbers(found) == [(1, 2), (2, 1)]
    assert [path.parts[-2:] for path in found.empty] == [("2", "v2")]
    assert [delivery.path.parts[-2:] for delivery in found.superseded] == [("1", "v1")]


def test_placeholders_may_stand_in_names_of_files(tree):
    root = tree("a")
    for name in ("day-2026-11-24.npz", "day-2026-11-25.npz"):
        (root / name).write_text(name)
    found = read(root, "day-{YYYY}-{MM}-{DD}.npz")
    assert [delivery.path.name for delivery in found.deliveries] == ["day-2026-11-24.npz", "day-2026-11-25.npz"]
    assert Pattern("{YYYY}{MM}{DD}").name_of(found.newest) == "2026-11-25"


def test_the_window_holds_the_newest_that_are_there_and_tells_gaps(tree):
    root = tree("s1", "s2", "s5", "s7")
    assert numbers(read(root, "s{SPAN}", 3)) == [(2, None), (5, None), (7, None)]
    assert read(root, "s{SPAN}", 3).missing == (3, 4, 6)
    assert read(root, "s{SPAN}", 1).missing == ()


@pytest.mark.parametrize(
    ("days", "missing"),
    [
        (("2026-02-27", "2026-02-28", "2026-03-03"), (20260301, 20260302)),
        (("2026-11-01", "2026-11-08", "2026-11-22"), (20261115,)),
        (("2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"), ()),
    ],
)
def test_dates_follow_each_other_in_their_own_rhythm(tree, days, missing):
    assert read(tree(*days), "{YYYY}-{MM}-{DD}").missing == missing


def test_names_that_are_still_being_written_are_passed_over(tree):
    assert numbers(read(tree("1", "2", ".3", "_4"), "{SPAN}")) == [(1, None), (2, None)]


def test_one_span_in_two_places_is_refused(tree):
    with pytest.raises(SpanError) as caught:
        read(tree("span-1", "span-01"), "span-{SPAN}")
    assert "must name one place for span 1; got " in str(caught.value)
    assert "span-01" in str(caught.value)


def test_a_name_that_is_no_date_is_refused(tree):
    with pytest.raises(SpanError, match=r"must name dates; got .*2026-13-01"):
        read(tree("2026-13-01"), "{YYYY}-{MM}-{DD}")


def test_no_span_with_data_is_refused(tree):
    with pytest.raises(SpanError, match=r"must name at least one span that holds data, as .*; got .*s1 without data"):
        read(tree("s1/"), "s{SPAN}")
