"""Which provider a name means, where its requests go, and which key goes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chatkit import bridge
from chatkit.chattest import FakeProvider, reply
from chatkit.clock import SystemClock
from chatkit.errors import AuthError, MissingKey, UsageError
from chatkit.providers.encoding import Request
from chatkit.providers.endpoint import Endpoint
from chatkit.providers.http import Provider
from chatkit.providers.registry import connect
from chatkit.providers.servers import ANY_HOST, SERVERS

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-env", "OPENAI_API_KEY": "sk-oai-env", "OPENAI_COMPAT_API_KEY": "sk-compat-env"}


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)


def key_of(provider: Provider) -> str | None:
    """The key that a request would carry."""
    headers = provider.headers
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ") or None


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize(
    ("model", "label", "url", "key"),
    [
        ("anthropic:claude-x", "anthropic:claude-x", "https://api.anthropic.com/v1/messages", "sk-ant-env"),
        ("openai:gpt-x", "openai:gpt-x", "https://api.openai.com/v1/responses", "sk-oai-env"),
        (" anthropic : claude-x ", "anthropic:claude-x", "https://api.anthropic.com/v1/messages", "sk-ant-env"),
        ("claude-sonnet-4-5", "anthropic:claude-sonnet-4-5", "https://api.anthropic.com/v1/messages", "sk-ant-env"),
        ("gpt-5", "openai:gpt-5", "https://api.openai.com/v1/responses", "sk-oai-env"),
        ("o3", "openai:o3", "https://api.openai.com/v1/responses", "sk-oai-env"),
        ("openai:ft:gpt-4o:me::id", "openai:ft:gpt-4o:me::id", "https://api.openai.com/v1/responses", "sk-oai-env"),
    ],
)
def test_a_name_means_a_provider_at_its_vendor_with_the_vendor_s_key(model: str, label: str, url: str, key: str) -> None:
    provider = connect(model)
    assert (provider.label, provider.address, key_of(provider)) == (label, url, key)
    assert provider.label == f"{provider.name}:{provider.model}"


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize(
    ("model", "base_url", "url", "key"),
    [
        ("anthropic:m", "https://api.anthropic.com", "https://api.anthropic.com/v1/messages", "sk-ant-env"),
        ("anthropic:m", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages", "sk-ant-env"),
        ("anthropic:m", "https://API.anthropic.com", "https://API.anthropic.com/v1/messages", "sk-ant-env"),
        ("anthropic:m", "http://api.anthropic.com", "http://api.anthropic.com/v1/messages", None),
        ("anthropic:m", "https://api.anthropic.com.evil.example", "https://api.anthropic.com.evil.example/v1/messages", None),
        ("anthropic:m", "https://evil.example/api.anthropic.com", "https://evil.example/api.anthropic.com/v1/messages", None),
        ("anthropic:m", "https://api.anthropic.com@evil.example", "https://api.anthropic.com@evil.example/v1/messages", None),
        ("anthropic:m", "https://proxy.example/a/v1/messages", "https://proxy.example/a/v1/messages", None),
        ("anthropic:m", "https://proxy.example/anthropic/v1", "https://proxy.example/anthropic/v1/messages", None),
        ("openai:m", "https://api.openai.com", "https://api.openai.com/v1/responses", "sk-oai-env"),
        ("openai:m", "https://eu.api.openai.com/v1", "https://eu.api.openai.com/v1/responses", "sk-oai-env"),
        ("openai:m", "https://fakeapi.openai.com/v1", "https://fakeapi.openai.com/v1/responses", None),
        ("openai:m", "https://api.openai.com.evil.example/v1", "https://api.openai.com.evil.example/v1/responses", None),
        ("openai:m", "https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com/openai/v1/responses", None),
        ("openai:m", "https://h/v1/responses", "https://h/v1/responses", None),
        ("openai-compat:m", "http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/chat/completions", "sk-compat-env"),
        ("openai-compat:m", "https://h/v1/chat/completions/", "https://h/v1/chat/completions", "sk-compat-env"),
        ("openai-compat:m", "https://h/o?api-version=1", "https://h/o/chat/completions?api-version=1", "sk-compat-env"),
        ("openai-compat:llama3:8b", "https://h", "https://h/chat/completions", "sk-compat-env"),
        ("openai-compat:m", "https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions", "sk-compat-env"),
    ],
)
def test_a_key_of_the_environment_goes_to_its_own_vendor_only(model: str, base_url: str, url: str, key: str | None) -> None:
    provider = connect(model, base_url=base_url)
    assert (provider.address, key_of(provider)) == (url, key)


@pytest.mark.parametrize(
    ("model", "url", "headers"),
    [
        ("deepseek:deepseek-chat", "https://api.deepseek.com/chat/completions", {"authorization": "Bearer sk-DEEPSEEK_API_KEY"}),
        (
            "gemini:gemini-x",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            {"authorization": "Bearer sk-GEMINI_API_KEY"},
        ),
        ("groq:llama-x", "https://api.groq.com/openai/v1/chat/completions", {"authorization": "Bearer sk-GROQ_API_KEY"}),
        ("mistral:mistral-x", "https://api.mistral.ai/v1/chat/completions", {"authorization": "Bearer sk-MISTRAL_API_KEY"}),
        ("openrouter:a/b:free", "https://openrouter.ai/api/v1/chat/completions", {"authorization": "Bearer sk-OPENROUTER_API_KEY"}),
        ("xai:grok-x", "https://api.x.ai/v1/chat/completions", {"authorization": "Bearer sk-XAI_API_KEY"}),
        ("ollama:llama3:8b", "http://127.0.0.1:11434/v1/chat/completions", {}),
        ("vllm:qwen", "http://127.0.0.1:8000/v1/chat/completions", {"authorization": "Bearer sk-VLLM_API_KEY"}),
    ],
)
def test_a_well_known_server_needs_no_more_than_its_name(
    model: str, url: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in SERVERS.values():
        if server.key:
            monkeypatch.setenv(server.key, f"sk-{server.key}")
    provider = connect(model)
    sent = {name: value for name, value in provider.headers.items() if name != "content-type"}
    assert (provider.label, provider.name, provider.address, sent) == (model, model.partition(":")[0], url, headers)


@pytest.mark.parametrize("name", SERVERS)
def test_the_key_of_a_row_goes_to_no_host_but_the_row_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if (server := SERVERS[name]).key is None or server.hosts == ANY_HOST:
        return
    monkeypatch.setenv(server.key, "sk-env")
    own = server.base_url.replace("RESOURCE", "mine")
    assert key_of(connect(f"{name}:m", base_url=own)) == "sk-env" or connect(f"{name}:m", base_url=own).headers["api-key"] == "sk-env"
    host = urlsplit(own).hostname
    for url in (
        f"https://{host}.evil.example/v1",
        f"https://evil.example/{host}",
        f"https://{host}@evil.example/v1",
        f"https://evil{host}/v1",
    ):
        assert "sk-env" not in str(connect(f"{name}:m", base_url=url).headers.values())
    if not server.local:
        assert "sk-env" not in str(connect(f"{name}:m", base_url=own.replace("https:", "http:")).headers.values())
        monkeypatch.delenv(server.key)
        with pytest.raises(MissingKey, match=f"{server.key}, or pass api_key="):
            connect(f"{name}:m", base_url=own)


@pytest.mark.parametrize("base_url", ["https://mine.openai.azure.com", "https://mine.openai.azure.com/openai/v1/"])
def test_azure_is_asked_by_its_v1_api_with_its_own_header(base_url: str) -> None:
    with pytest.raises(UsageError, match=r"needs base_url=.*RESOURCE\.openai\.azure\.com/openai/v1"):
        connect("azure:my-deployment", api_key="k")
    provider = connect("azure:my-deployment", api_key="sk-given", base_url=base_url)
    assert provider.address == "https://mine.openai.azure.com/openai/v1/chat/completions"
    assert provider.headers == {"content-type": "application/json", "api-key": "sk-given"}
    assert "sk-given" not in repr(vars(provider))


def test_a_local_server_elsewhere_needs_only_its_address() -> None:
    provider = connect("ollama:llama3", base_url="http://gpu.lan:11434/v1")
    assert (provider.address, provider.label) == ("http://gpu.lan:11434/v1/chat/completions", "ollama:llama3")
    assert connect("ollama:llama3", base_url="http://localhost:9999").address == "http://localhost:9999/v1/chat/completions"


def test_the_readme_lists_every_server() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for name, server in SERVERS.items():
        key = f"`{server.key}`" if server.key else "none"
        assert f"| `{name}:` | {key} | `{server.base_url}` |" in readme


def test_mistral_is_not_asked_for_what_its_api_refuses() -> None:
    for name, asked in (("mistral", False), ("groq", True)):
        body = connect(f"{name}:m", api_key="k").wire.encode(Request(model="m", messages=()))
        assert (b"stream_options" in body) is asked


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("model", ["anthropic:m", "openai:m", "openai-compat:m"])
def test_a_key_that_was_given_goes_where_base_url_says(model: str) -> None:
    assert key_of(connect(model, api_key="sk-given", base_url="https://proxy.example/v1")) == "sk-given"


def test_no_key_of_the_environment_travels_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    with FakeProvider(reply("x")) as fake:
        for model, url in (("anthropic:m", fake.anthropic_url), ("openai:m", fake.openai_url)):
            work = connect(model, base_url=url).stream(
                Request(model="m", messages=()), lambda p: None, clock=SystemClock(), silence_timeout=5
            )
            bridge.spawn(work).result(10)
        sent = [" ".join(map(str, dict(r.headers).values())) + r.content.decode() for r in fake.requests]
    assert len(sent) == 2
    assert not any("sk-" in text for text in sent)


@pytest.mark.parametrize(
    ("model", "variable"), [("anthropic:m", "ANTHROPIC_API_KEY"), ("openai:m", "OPENAI_API_KEY"), ("claude-x", "ANTHROPIC_API_KEY")]
)
def test_a_missing_key_says_which_variable_to_set(model: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        if value is not None:
            monkeypatch.setenv(variable, value)
        with pytest.raises(MissingKey, match=f"{variable}, or pass api_key="):
            connect(model)


def test_a_server_of_one_s_own_needs_no_key() -> None:
    assert key_of(connect("openai-compat:m", base_url="http://127.0.0.1:8000/v1")) is None
    assert key_of(connect("anthropic:m", base_url="http://127.0.0.1:8000")) is None


@pytest.mark.parametrize("key", ["sk-secret\n", " sk-secret", "sk secret", "sk-sécret", "sk-secret\r\nx: y", "sk-\u200bsecret"])
def test_a_key_that_can_t_travel_is_refused_without_being_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="api_key has white space") as given:
        connect("anthropic:m", api_key=key)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match="OPENAI_API_KEY has white space") as found:
        connect("openai:m")
    for error in (given.value, found.value):
        assert "cret" not in str(error)


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("127.0.0.1:8000/v1", "must begin with http"),
        ("localhost:8000", "must begin with http"),
        ("ftp://host/v1", "must begin with http"),
        ("file:///etc/passwd", "must begin with http"),
        ("", "must begin with http"),
        ("https://", "no host"),
        ("http:///v1", "no host"),
        ("http://host:port/v1", "no host"),
        ("http://host:99999/v1", "no host"),
        ("http://[::1/v1", "no host"),
        ("http://ho st/v1", "a space"),
        ("http://host/v1\nx", "a space"),
        (8000, "must be a string"),
    ],
)
@pytest.mark.parametrize("model", ["anthropic:m", "openai:m", "openai-compat:m"])
def test_a_base_url_that_is_no_http_address_is_refused(model: str, base_url: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        connect(model, api_key="k", base_url=base_url)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("antropic:claude-x", "Did you mean anthropic:NAME"),
        ("OpenAI:gpt-5", "Did you mean openai:NAME"),
        ("gpt-oss:20b", "openai-compat:gpt-oss:20b with base_url="),
        ("llama3", "openai-compat:llama3 with base_url="),
        ("palm:pro", "There are anthropic:NAME, openai:NAME"),
        ("olama:llama3", "Did you mean ollama:NAME"),
        ("llama.cpp:qwen", "Did you mean llamacpp:NAME"),
        ("openrouter/qwen/qwen3", "Did you mean openrouter:qwen/qwen3"),
        ("llama3:8b", "or ollama:llama3:8b"),
        ("", "no provider is called ''"),
        ("anthropic:", "which model"),
        ("openai", "which model"),
        (":", "no provider is called ''"),
        (42, "a model is a string"),
    ],
)
def test_an_unknown_name_says_what_there_is_and_what_is_near(model: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        connect(model, api_key="k")


def test_a_compatible_server_needs_an_address() -> None:
    with pytest.raises(UsageError, match="needs base_url="):
        connect("openai-compat:llama3")


def test_demo_is_the_default_and_the_environment_may_name_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect().name == "demo"
    assert connect("demo:steady").name == "demo"
    monkeypatch.setenv("CHATKIT_MODEL", "anthropic:claude-x")
    assert connect(api_key="k").label == "anthropic:claude-x"
    assert connect("demo").name == "demo"


def test_demo_takes_no_address() -> None:
    with pytest.raises(UsageError, match="leave base_url out"):
        connect("demo", base_url="http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("[::1]", True),
        ("localhost.", True),
        ("0.0.0.0", True),
        ("0", True),
        ("[::]", True),
        ("127.1", True),
        ("0x7f.1", True),
        ("2130706433", True),
        ("0177.0.0.1", True),
        ("[::ffff:127.0.0.1]", True),
        ("[::ffff:10.0.0.1]", False),
        ("128.1", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, near: bool) -> None:
    assert connect("openai-compat:m", base_url=f"http://{host}:8000/v1").direct is near


def test_a_password_in_an_address_is_not_shown() -> None:
    url = "https://me:hunter2@host/v1"
    assert "hunter2" not in repr(connect("openai-compat:m", base_url=url)) + repr(Endpoint.parse(url)) + Endpoint.parse(url).origin


def test_a_password_in_an_address_signs_in_where_no_key_does() -> None:
    url = "https://me:hunter2@host/v1"
    assert "hunter2" not in repr(vars(connect("openai-compat:m", base_url=url)))
    for more in ({"api_key": "sk-given"}, {"headers": {"Authorization": "Bearer sk-given"}}):
        with pytest.raises(UsageError, match="leave one of them out") as caught:
            connect("openai-compat:m", base_url=url, **more)  # type: ignore[arg-type]
        assert "hunter2" not in str(caught.value)


# ── headers ──


def test_headers_are_added_and_win_whatever_their_case() -> None:
    headers = {"X-Portkey-Api-Key": "pk-1", "Anthropic-Version": "2030-01-01", "cf-aig-authorization": "Bearer x"}
    sent = connect("anthropic:m", api_key="sk-given", headers=headers).headers
    assert sent == {
        "content-type": "application/json",
        "anthropic-version": "2030-01-01",
        "x-api-key": "sk-given",
        "x-portkey-api-key": "pk-1",
        "cf-aig-authorization": "Bearer x",
    }


@pytest.mark.parametrize("name", ["authorization", "api-key", "X-API-Key"])
@pytest.mark.parametrize("model", ["anthropic:m", "openai:m", "openai-compat:m"])
def test_a_header_of_one_s_own_takes_the_place_of_the_key(model: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where = "https://host/v1" if model == "openai-compat:m" else None
    for variable, key in [*dict.fromkeys(KEYS, "").items(), *KEYS.items()]:
        monkeypatch.setenv(variable, key)
        sent = connect(model, base_url=where, headers={name: "mine"}).headers
        assert [value for value in sent.values() if value == "mine" or "env" in value] == ["mine"]


def test_other_headers_leave_the_key_needed() -> None:
    with pytest.raises(MissingKey):
        connect("anthropic:m", headers={"anthropic-beta": "context-1m-2025-08-07"})


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (["x-key: hunter2"], "must be a dictionary"),
        ("x-key: hunter2", "must be a dictionary"),
        ({"x key": "hunter2"}, "no header can have"),
        ({"x-key\n": "hunter2"}, "no header can have"),
        ({"": "hunter2"}, "no header can have"),
        ({b"x-key": "hunter2"}, "no header can have"),
        ({"x-key": b"hunter2"}, "'x-key'. must be a string, not bytes"),
        ({"x-key": None}, "'x-key'. must be a string, not NoneType"),
        ({"x-key": "hunter2\r\nx: y"}, "'x-key'. has a line end"),
        ({"x-key": " hunter2"}, "'x-key'. has a line end"),
        ({"x-key": "hunter2é"}, "'x-key'. has a line end"),
        ({"Content-Length": "1"}, "belongs to the connection"),
        ({"Transfer-Encoding": "chunked"}, "belongs to the connection"),
    ],
)
def test_headers_that_can_t_travel_are_refused_without_being_shown(headers: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        connect("openai-compat:m", base_url="https://host/v1", headers=headers)
    assert "hunter2" not in str(caught.value)


# ── keys in the clear ──


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": "sk-given"},
        {"headers": {"api-key": "mine"}},
        {"headers": {"cf-aig-authorization": "mine"}},
        {"base_url": "http://me:hunter2@10.0.0.1/v1"},
    ],
)
def test_a_key_goes_over_http_to_another_machine_only_where_that_is_allowed(given: dict[str, Any]) -> None:
    given = {"base_url": "http://10.0.0.1/v1", **given}
    with pytest.raises(UsageError, match=r"to 10\.0\.0\.1 over http://.* insecure=True"):
        connect("openai-compat:m", **given)
    connect("openai-compat:m", **given, insecure=True)
    for near in ("localhost", "127.0.0.1:8000", "0.0.0.0"):
        connect("openai-compat:m", **{**given, "base_url": given["base_url"].replace("10.0.0.1", near)})


def test_a_key_of_the_environment_goes_in_the_clear_no_more_than_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPAT_API_KEY", "sk-compat-env")
    with pytest.raises(UsageError, match="insecure=True"):
        connect("openai-compat:m", base_url="http://vllm.lan:8000/v1")


def test_without_a_key_http_is_no_matter() -> None:
    connect("openai-compat:m", base_url="http://vllm.lan:8000/v1", headers={"anthropic-beta": "x"})
    with pytest.raises(UsageError, match="insecure must be True or False"):
        connect("openai-compat:m", base_url="http://vllm.lan:8000/v1", insecure="yes")  # type: ignore[arg-type]


def test_a_part_of_a_key_is_shown_no_more_than_the_key() -> None:
    provider = connect("anthropic:m", api_key="sk-" + "hunter2" * 20, headers={"x-key": "hunter2" * 20})
    assert [repr(provider.headers[name][:80]) for name in ("x-api-key", "x-key")] == ["'***'"] * 2


def test_a_key_of_the_environment_is_read_for_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-first")
    provider = connect("anthropic:m")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-corrected")
    assert provider.headers["x-api-key"] == "sk-corrected"
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(AuthError, match="ANTHROPIC_API_KEY"):
        _ = provider.headers


def test_a_key_that_is_set_later_goes_in_the_clear_no_more_than_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_COMPAT_API_KEY", raising=False)
    provider = connect("openai-compat:m", base_url="http://vllm.lan:8000/v1")
    assert "authorization" not in provider.headers
    monkeypatch.setenv("OPENAI_COMPAT_API_KEY", "sk-late")
    with pytest.raises(AuthError, match="https://"):
        _ = provider.headers
