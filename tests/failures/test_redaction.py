"""Keys are blotted out of foreign words, and nothing invisible stays in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.failures.redaction import harmless, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"
SECRETS = [
    "sk-abcdefghijklmnopqrstuvwx",
    "sk-proj-AbC_123-xyz789xyz789",
    "sk-ant-api03-AbCdEf-123456_7890",
    "sk-or-v1-0123456789abcdef0123",
    "AIzaSyA1234567890abcdefghijklmnopqrstu",
    "gsk_abcdefghijklmnop1234",
    "hf_abcdefghijklmnop1234",
    "xai-abcdefghijklmnop1234",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnop1234",
    "github_pat_11ABCDE_abcdefg",
    "ya29.a0AfH6SMBabcdefgh",
    "nvapi-abcdefghijklmnop",
    "xoxb-123456789012-abcdef",
    JWT,
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "around", ["{}", "Incorrect API key provided: {}.", "'{}'", "key={};", "({})", "a\n{}\nb", "https://x.test/v1?key={}&alt=sse"]
)
def test_a_key_is_blotted_wherever_it_stands(secret: str, around: str) -> None:
    found = redact(around.format(secret))
    assert secret[:12] not in found
    assert "***" in found


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc123def456ghi", "Authorization: Bearer ***"),
        ("{'authorization': 'Bearer abc123def456ghi'}", "{'authorization': 'Bearer ***'}"),
        ("bearer " + JWT, "bearer ***"),
        ("Basic dXNlcjpwYXNzd29yZA==", "Basic ***"),
        ("x-api-key: 0123456789abcdef0123456789abcdef", "x-api-key: ***"),
        ('"api_key": "0123456789abcdef"', '"api_key": "***"'),
        ("password=hunter2hunter", "password=***"),
        ("https://user:pa55@host.test/x", "https://***@host.test/x"),
        ("https://host.test/?api_key=abc&x=1", "https://host.test/?api_key=***&x=1"),
        ("https://host.test/?X-Amz-Signature=abc#f", "https://host.test/?X-Amz-Signature=***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "***"),
    ],
)
def test_what_carries_a_secret_keeps_its_name_and_loses_its_value(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "invalid x-api-key",
        "Your API key is not valid: please pass a valid API key.",
        "Bearer authentication required",
        "token expired: unauthorized",
        "Limit 30000, Requested 30601 tokens; see request req_1332ed8a813a4caaa2f0f3c55a6a68cb",
        "see https://docs.test/errors?id=429 and mail help@x.test",
        "The password policy changed",
        "model hf-inference/some-long-name",
    ],
)
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_control_and_invisible_characters_are_gone() -> None:
    assert redact("a\x00b\x1b[31m\r\n\tc\u202ed\u200be\u2066f\ufeffg\u2028h\U000e0041i\ud800j") == "a b [31m cdefg hi\ufffdj"


@given(st.text(st.characters() | st.sampled_from(" \x1b\x07\x9b\r\n\t\u202e\u200b\ufe0f\U000e0041\ud800")))
def test_what_is_harmless_can_be_printed_and_stored_and_stays_as_it_is(text: str) -> None:
    found = harmless(text)
    assert found.isprintable()
    assert harmless(found) == found
    found.encode()


def test_a_key_with_invisible_characters_in_it_is_still_a_key() -> None:
    assert redact("sk-abcd\u200befgh\u202eijkl") == "***"


def test_long_words_are_cut_and_say_so() -> None:
    assert redact("x" * 501) == "x" * 499 + "…"
    assert redact("x" * 500) == "x" * 500
    assert redact("abcdef", 4) == "abc…"


def test_a_key_that_the_cut_would_halve_does_not_leak() -> None:
    for length in range(480, 505):
        assert "sk-a" not in redact("x" * length + " sk-abcdefghijklmnopqrstuvwxyz")


@given(text=st.text(max_size=2_000), secret=st.sampled_from(SECRETS), limit=st.integers(1, 600))
def test_any_words_around_a_key_stay_short_and_clean(text: str, secret: str, limit: int) -> None:
    found = redact(f"{text} {secret} {text}", limit)
    assert len(found) <= limit
    assert secret not in found
    assert all(c.isprintable() for c in found)
    found.encode()
