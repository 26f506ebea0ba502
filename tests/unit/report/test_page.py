"""The frame of every page: one file, nothing from elsewhere, nothing of data that runs."""

import base64
import doctest
import hashlib
import html
import json
import re

import pytest

from report import page


@pytest.mark.parametrize(
    "text", ["</script><img src=x onerror=alert(1)>", "<!--", "a\u2028b\u2029c", "&lt;", "\\u003c"]
)
def test_embedded_data_hold_no_character_that_html_or_javascript_could_misread(text):
    embedded = page.embed({text: [text]})
    assert not re.search("[<>&\u2028\u2029]", embedded)
    assert json.loads(embedded) == {text: [text]}


def test_embedded_data_are_numbers_that_json_knows():
    with pytest.raises(ValueError, match="JSON"):
        page.embed([float("nan")])


def test_the_examples_of_the_docstrings_are_true():
    results = doctest.testmod(page)
    assert results.attempted >= 3
    assert results.failed == 0


@pytest.mark.parametrize("text", ["a `<b>` c", "`<b>", "</code>`x`", "a_<b>/c"])
def test_markup_for_names_lets_no_markup_of_data_through(text):
    for marked in (page.prose(text), page.breakable(text)):
        assert re.sub("</?code>|<wbr>", "", marked) == html.escape(text).replace("&#x27;", "&#39;").replace(
            "`", "" if "<code>" in marked else "`"
        )


def test_code_that_would_end_its_own_element_is_refused():
    with pytest.raises(ValueError, match="two parts"):
        page.render("base.html", {}, scripts=["x = '</SCRIPT >'"])


def test_the_policy_allows_the_very_code_of_the_page_and_no_address():
    text = page.render("base.html", {}, scripts=["let a = 1;"], styles=["p { margin: 0 }"])
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    inline = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, flags=re.DOTALL)
    assert len(inline) == 4
    for code in inline:
        assert base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'none'" in policy
    assert not re.search(r"https?:", text.replace("http-equiv", ""))


def test_only_a_page_that_asks_for_it_may_call_its_server():
    assert "connect-src &#39;self&#39;" in page.render("base.html", {}, connect=True)
