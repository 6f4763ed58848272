"""A notebook's comms and outputs, for the tests of the displays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import comm
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tests.comms import Publisher, Wire


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch) -> list[Wire]:
    """Every comm that is opened."""
    Wire.opened = []
    monkeypatch.setattr(comm, "create_comm", Wire)
    return Wire.opened


@pytest.fixture
def outputs() -> Iterator[list[dict[str, Any]]]:
    """Every output that is published."""
    config = Config()
    config.HistoryManager.enabled = False
    yield InteractiveShell.instance(display_pub_class=Publisher, config=config).display_pub.outputs
    InteractiveShell.clear_instance()
