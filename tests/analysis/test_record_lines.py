"""Lines of chatkit's log that are read many at once are what each is alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.analysis.logs.record_lines import read_record, read_records
from tests.analysis.test_damage import GOOD, load

TORN = [GOOD.replace(b',"call"', cut + b'"call"') for cut in (b',"x":[{},\n{}],', b',"x":[{}\n,{}],', b',"x":{"y":{}\n},', b"\n,", b",\n")]
"""Records that are whole but for a newline within them, where JSON takes one."""


@given(pieces=st.lists(st.sampled_from([GOOD, b"\n", b"\n", b" ", b"\r\n", *TORN, GOOD[:60]]), max_size=7))
def test_lines_that_are_read_together_are_what_each_is_alone(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    together = read_records(text)
    if together is not None:
        assert together == [read_record(line) for line in text.split(b"\n")]


@pytest.mark.parametrize("torn", TORN)
def test_two_records_on_a_line_do_not_make_up_for_one_on_two_lines(torn: bytes) -> None:
    read_record(torn)
    for lines in ([GOOD + GOOD, torn], [torn, GOOD, GOOD + b" " + GOOD]):
        assert read_records(b"\n".join(lines)) is None
        frame = load(GOOD, *lines)
        assert (len(frame), frame.attrs["log"]["damaged"]) == (1 + lines.count(GOOD), 3)
    assert read_records(GOOD + GOOD) is None
    assert read_records(GOOD + b"\n" + GOOD) == [read_record(GOOD)] * 2
