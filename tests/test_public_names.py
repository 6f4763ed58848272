"""What a user can import stays as it is: a change of a public name, parameter, kind or default is a decision, and is stored."""

from __future__ import annotations

from tests.public_names import STORED, public_names


def test_public_names_parameters_and_defaults_are_as_stored() -> None:
    assert public_names() == STORED.read_text("utf-8").splitlines(), "if the change is meant: python -m tests.public_names"
