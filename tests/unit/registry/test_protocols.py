"""Object stores that the documents name."""

import fsspec
import pytest


@pytest.mark.parametrize("protocol", ["s3", "gs"])
def test_their_libraries_are_installed(protocol):
    assert protocol in fsspec.get_filesystem_class(protocol).protocol
