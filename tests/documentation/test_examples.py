"""The examples of the pages run as they stand there, in an internet of one scripted provider."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chatkit.providers.servers import SERVERS
from tests.documentation.cells import cells_of
from tests.documentation.internet import FakeInternet

ROOT = Path(__file__).parents[2]
PAGES = {str(page.relative_to(ROOT)): page for page in sorted((ROOT / "docs").glob("**/*.md")) if cells_of(page)}
TESTS = "docs/howto/testing.md"
HOSTS = {
    "docs/howto/azure.md": {"my-resource.openai.azure.com:443"},
    "docs/howto/ollama.md": {"gpu-box:11434"},
    "docs/howto/openrouter.md": {"openrouter.ai:443", "gateway.example:443"},
    "docs/howto/proxy.md": {"api.anthropic.com:443"},
    "docs/howto/vllm.md": {"gpu-box:8000"},
    "docs/index.md": {"api.anthropic.com:443"},
}
"""Which addresses a page's examples ask."""


@pytest.fixture
def internet(tmp_path: Path) -> Iterator[FakeInternet]:
    with FakeInternet(tmp_path) as internet:
        yield internet


def surroundings(internet: FakeInternet, certificate: Path) -> dict[str, str]:
    """Those of a person behind a company's proxy, who has every key."""
    variables = [server.key for server in SERVERS.values() if server.key]
    keys = dict.fromkeys([*variables, "AZURE_TOKEN", "PORTKEY_API_KEY"], "not-a-key")
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), internet.url) | {"NO_PROXY": ""}
    log = {"CHATKIT_RETRY_LOG": str(certificate.with_name("retries.jsonl"))}
    return {**os.environ, **keys, **proxies, **log, "SSL_CERT_FILE": str(certificate)}


def run(environment: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("name", [name for name in PAGES if name != TESTS])
def test_the_examples_of_a_page_run(name: str, internet: FakeInternet) -> None:
    page = run(surroundings(internet, internet.certificate), "-m", "tests.documentation.cells", name, internet.provider.openai_url)
    assert page.returncode == 0, page.stdout + page.stderr
    assert set(internet.called) == HOSTS.get(name, set())


def test_without_the_proxys_certificate_an_example_fails_as_its_page_says(internet: FakeInternet, tmp_path: Path) -> None:
    with FakeInternet(tmp_path) as other:
        page = run(surroundings(internet, other.certificate), "-m", "tests.documentation.cells", "docs/howto/proxy.md", "")
    assert page.returncode == 1
    assert "certificate verify failed" in page.stdout + page.stderr
    assert len(internet.called) == 1, "it was tried again"


def test_the_tests_of_a_page_pass(tmp_path: Path) -> None:
    file = tmp_path / "test_page.py"
    file.write_text("\n".join(cells_of(PAGES[TESTS])), "utf-8")
    tests = run(os.environ, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(file))
    assert tests.returncode == 0, tests.stdout
    assert f"{file.read_text('utf-8').count('def test_')} passed" in tests.stdout
