"""One renderer for all tests here: its process takes a second to start."""

from collections.abc import Iterator

import pytest

from dashboards.rendering import Renderer


@pytest.fixture(scope="session")
def renderer() -> Iterator[Renderer]:
    with Renderer() as shared:
        yield shared
