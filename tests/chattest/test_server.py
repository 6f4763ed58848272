"""The fake provider: its script, the recorded requests, titles, connections, and its start and end."""

from __future__ import annotations

import gc
import itertools
import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chatkit.chattest import TITLE_PROMPT, FakeProvider, anthropic_overloaded_response, http_response, reply
from chatkit.conversation.titles import SYSTEM
from chatkit.errors import UsageError

Factory = Callable[..., FakeProvider]
HELLO: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}


def post(fake: FakeProvider, path: str = "/v1/messages", json: Any = HELLO, **headers: str) -> httpx.Response:
    return httpx.post(fake.url + path, json=json, headers=headers)


def said(response: httpx.Response) -> str:
    return str(response.json()["content"][0]["text"])


def test_a_script_is_played_in_order_and_says_when_it_has_ended(fake_provider: Factory) -> None:
    fake = fake_provider([anthropic_overloaded_response(), "Hello!"])
    assert fake.remaining == 2
    assert [post(fake).status_code, said(post(fake)), fake.remaining] == [529, "Hello!", 0]
    fake.assert_used_up()
    late = post(fake)
    assert late.status_code == 400
    assert late.json()["error"] == {"type": "invalid_request_error", "message": "the script of this FakeProvider ended after 2 requests"}
    with pytest.raises(AssertionError, match="ended after 2 requests"):
        fake.assert_used_up()


def test_a_script_that_was_not_played_to_its_end_fails_the_assertion(fake_provider: Factory) -> None:
    fake = fake_provider(["one", "two"])
    post(fake)
    with pytest.raises(AssertionError, match="1 responses of the script were never asked for, after 1 requests"):
        fake.assert_used_up()


def test_one_response_serves_every_request(fake_provider: Factory) -> None:
    fake = fake_provider("Always.")
    assert [said(post(fake)) for _ in range(3)] == ["Always."] * 3
    assert fake.remaining is None
    fake.assert_used_up()


def test_an_iterator_is_read_as_requests_come(fake_provider: Factory) -> None:
    fake = fake_provider(itertools.repeat(anthropic_overloaded_response()))
    assert {post(fake).status_code for _ in range(5)} == {529}


def test_a_callable_sees_the_request_and_decides(fake_provider: Factory) -> None:
    fake = fake_provider(lambda request: reply(f"{request.prefix}: {request.text}"))
    assert said(post(fake, "/a/b/v1/messages")) == "/a/b: Hello"


@pytest.mark.parametrize(("answer", "says"), [(lambda r: 1 / 0, "raised ZeroDivisionError"), (lambda r: None, "not None")])
def test_a_callable_that_fails_is_reported_to_the_client_and_to_the_test(fake_provider: Factory, answer: Any, says: str) -> None:
    fake = fake_provider(answer)
    response = post(fake)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]
    with pytest.raises(AssertionError, match=says):
        fake.assert_used_up()


def test_a_script_that_holds_something_else_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="not 529"):
        FakeProvider([reply("ok"), 529])  # type: ignore[list-item]


TITLE = TITLE_PROMPT + ". Answer with the title alone."
TITLE_REQUESTS = [
    ("/v1/messages", HELLO | {"system": TITLE}),
    ("/v1/messages", HELLO | {"system": [{"type": "text", "text": TITLE}]}),
    ("/v1/chat/completions", {"messages": [{"role": "system", "content": TITLE}, *HELLO["messages"]]}),
    ("/v1/chat/completions", {"messages": [{"role": "developer", "content": [{"type": "text", "text": TITLE}]}, *HELLO["messages"]]}),
    ("/v1/responses", {"instructions": TITLE, "input": "Hello"}),
    (
        "/v1/responses",
        {"input": [{"role": "developer", "content": [{"type": "input_text", "text": TITLE}]}, {"role": "user", "content": "Hello"}]},
    ),
]


@pytest.mark.parametrize(("path", "body"), TITLE_REQUESTS)
def test_a_title_request_is_answered_apart_from_the_script_in_every_format(fake_provider: Factory, path: str, body: dict[str, Any]) -> None:
    fake = fake_provider(["for a turn"], title="On Hello")
    assert "On Hello" in post(fake, path, body).text
    assert (fake.remaining, fake.requests, [r.text for r in fake.title_requests]) == (1, [], ["Hello"])
    assert fake.title_requests[0].system == TITLE


def test_the_phrase_that_marks_a_title_request_begins_chatkits_own_title_prompt() -> None:
    assert SYSTEM.startswith(TITLE_PROMPT)


def test_titles_can_have_a_script_of_their_own(fake_provider: Factory) -> None:
    fake = fake_provider([], title=[anthropic_overloaded_response(), "On Hello"])
    path, body = TITLE_REQUESTS[0]
    assert [post(fake, path, body).status_code for _ in range(3)] == [529, 200, 400]
    with pytest.raises(AssertionError, match="the title script of this FakeProvider ended after 2 requests"):
        fake.assert_used_up()


def test_a_system_prompt_that_only_mentions_titles_is_a_turn(fake_provider: Factory) -> None:
    fake = fake_provider(["a turn"])
    post(fake, json=HELLO | {"system": "Be brief. " + TITLE_PROMPT})
    assert (len(fake.requests), fake.title_requests) == (1, [])


CONVERSATION = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}, {"role": "user", "content": "Three"}]
PARTS = [{"type": "text", "text": " see "}, {"type": "image", "source": {}}, {"type": "text", "text": "this"}]
RESULT = [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]
RECORDED = [
    ("/v1/messages", {"messages": CONVERSATION, "system": "Be brief."}, "Three"),
    ("/v1/messages", {"messages": [{"role": "user", "content": PARTS}], "system": "Be brief."}, "see this"),
    ("/v1/messages", {"messages": [*CONVERSATION, {"role": "user", "content": RESULT}], "system": "Be brief."}, "Three"),
    ("/v1/chat/completions", {"messages": [{"role": "system", "content": "Be brief."}, *CONVERSATION]}, "Three"),
    ("/v1/responses", {"input": CONVERSATION, "instructions": "Be brief."}, "Three"),
    (
        "/v1/responses",
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Why?"}]}], "instructions": "Be brief."},
        "Why?",
    ),
    ("/v1/responses", {"input": "Why?", "instructions": "Be brief."}, "Why?"),
]


@pytest.mark.parametrize(("path", "body", "text"), RECORDED)
def test_a_request_is_recorded_with_its_last_user_text_and_system_prompt(fake_provider: Factory, path: str, body: Any, text: str) -> None:
    fake = fake_provider("ok")
    post(fake, path, body | {"model": "gpt-x", "stream": True})
    request = fake.requests[0]
    assert (request.text, request.system, request.model, request.streams) == (text, "Be brief.", "gpt-x", True)
    assert request.messages[0][0] == "user"
    assert (request.method, request.path, request.prefix, request.json["model"]) == ("POST", path, "", "gpt-x")
    assert json.loads(request.content) == request.json


def test_only_so_many_requests_are_kept_as_asked_and_their_numbers_go_on(fake_provider: Factory) -> None:
    fake = fake_provider("ok", keep=2)
    for _ in range(5):
        post(fake)
    assert [r.number for r in fake.received] == [4, 5]


def test_requests_are_recorded_in_their_order_of_arrival(fake_provider: Factory) -> None:
    fake = fake_provider(["a", "b"])
    post(fake)
    httpx.get(f"{fake.url}/v1/models")
    post(fake, *TITLE_REQUESTS[0])
    post(fake, "/v1/nothing")
    post(fake)
    assert [r.number for r in fake.received] == [1, 2, 3, 4, 5]
    assert ([r.number for r in fake.requests], [r.number for r in fake.title_requests]) == ([1, 5], [3])


def test_keys_can_be_checked_and_never_show(fake_provider: Factory) -> None:
    fake = fake_provider("ok")
    post(fake, authorization="Bearer sk-secret", **{"x-api-key": "sk-other"})
    request = fake.requests[0]
    assert (request.headers["authorization"], request.headers["x-api-key"]) == ("Bearer sk-secret", "sk-other")
    assert "sk-" not in repr(request) + repr(request.headers) + repr(fake)


def test_an_unknown_path_is_a_404_that_names_what_is_served(fake_provider: Factory) -> None:
    response = httpx.get(f"{fake_provider().url}/favicon.ico")
    assert response.status_code == 404
    assert "/v1/responses, not GET /favicon.ico" in response.json()["error"]["message"]


def test_requests_on_one_connection_are_served_one_after_another(fake_provider: Factory) -> None:
    fake = fake_provider([reply("one").cut(after=1), anthropic_overloaded_response(), "three"])
    with httpx.Client() as client:
        responses = [client.post(f"{fake.url}/v1/messages", json=HELLO | {"stream": stream}) for stream in (True, False, True)]
    assert len({response.extensions["network_stream"] for response in responses}) == 1
    fake.assert_used_up()


def test_many_requests_are_served_at_once(fake_provider: Factory) -> None:
    fake = fake_provider(reply("one two").stall(after=1))
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(said(post(fake)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    fake.wait_for(stalled=8)
    fake.release()
    for thread in threads:
        thread.join(5)
    assert texts == ["one two"] * 8


def test_a_request_body_may_be_chunked_or_wait_for_a_100_continue(fake_provider: Factory) -> None:
    fake = fake_provider(["a", "b"])
    body = json.dumps(HELLO).encode()
    httpx.post(f"{fake.url}/v1/messages", content=iter([body[:9], body[9:]]))
    httpx.post(f"{fake.url}/v1/messages", content=body, headers={"expect": "100-continue"})
    assert [r.json for r in fake.requests] == [HELLO, HELLO]


def test_a_large_body_arrives_whole(fake_provider: Factory) -> None:
    fake = fake_provider("ok")
    post(fake, json=HELLO | {"image": "x" * 3_000_000})
    assert len(fake.requests[0].json["image"]) == 3_000_000


def test_a_body_that_is_not_json_is_recorded_as_it_is(fake_provider: Factory) -> None:
    fake = fake_provider("ok")
    assert httpx.post(f"{fake.url}/v1/messages", content=b"{half").status_code == 200
    assert (fake.requests[0].json, fake.requests[0].content, fake.requests[0].text, fake.requests[0].model) == (None, b"{half", "", "")


def test_a_client_that_speaks_no_http_is_dropped_and_the_server_lives(fake_provider: Factory) -> None:
    import socket

    fake = fake_provider("ok")
    with socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2])), timeout=5) as client:
        client.sendall(b"hello there\r\n\r\n")
        assert client.recv(100) == b""
    assert said(post(fake)) == "ok"
    assert len(fake.received) == 1


def test_waiting_for_what_does_not_happen_fails_and_says_what_did(fake_provider: Factory) -> None:
    fake = fake_provider("ok")
    post(fake)
    with pytest.raises(AssertionError, match=r"waited 0.01 s for \{'requests': 2\}; there is \{'requests': 1,"):
        fake.wait_for(requests=2, timeout=0.01)


def test_a_delay_lies_between_the_pieces_and_a_client_may_leave_during_it(fake_provider: Factory) -> None:
    fake = fake_provider(reply("one two", delay=60))
    with httpx.stream("POST", f"{fake.url}/v1/messages", json=HELLO | {"stream": True}) as stream:
        assert b"one" in next(stream.iter_raw())
    request = fake.wait_for(hang_ups=1)
    assert request is not None
    assert request.pieces_sent == 1


def test_two_servers_give_the_same_bytes_for_the_same_script(fake_provider: Factory) -> None:
    script = reply("Grüße an alle.", reasoning="So.", tool_calls=[("f", {"x": 1})])
    for path in ("/v1/messages", "/v1/chat/completions", "/v1/responses"):
        first, second = (post(fake_provider(script), path, HELLO | {"stream": True}) for _ in range(2))
        assert first.content == second.content
        assert first.headers == second.headers


def test_recorded_chunks_can_be_replayed(fake_provider: Factory) -> None:
    fake = fake_provider(http_response(200, ["event: ping\n", "data: {}\n\n"]))
    response = post(fake)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.text == "event: ping\ndata: {}\n\n"


def test_the_urls_are_what_the_vendors_clients_take(fake_provider: Factory) -> None:
    fake = fake_provider()
    assert (fake.anthropic_url, fake.openai_url) == (fake.url, fake.url + "/v1")


def test_closing_twice_is_harmless_and_ends_the_thread() -> None:
    with FakeProvider(reply("one two").stall(after=1)) as fake:
        url = fake.url
        with httpx.stream("POST", f"{url}/v1/messages", json=HELLO | {"stream": True}) as stream:
            fake.wait_for(stalled=1)
            fake.close()
            with pytest.raises(httpx.RemoteProtocolError):
                stream.read()
        fake.close()
    assert fake.closed
    assert "closed" in repr(fake)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_forgotten_server_closes_itself() -> None:
    fake = FakeProvider("ok").start()
    thread = next(t for t in threading.enumerate() if t.name == f"chattest-{fake.url.rpartition(':')[2]}")
    forgotten = weakref.ref(fake)
    del fake
    gc.collect()
    assert forgotten() is None
    thread.join(5)
    assert not thread.is_alive()


def test_a_process_that_forgets_to_close_ends_without_a_word() -> None:
    code = "from chatkit.chattest import FakeProvider; fake = FakeProvider('ok').start(); print(fake.url)"
    done = subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr, done.stdout[:17]) == (0, "", "http://127.0.0.1:")


def test_it_serves_in_a_process_whose_asyncio_somebody_patched() -> None:
    code = """
import asyncio, warnings
warnings.simplefilter("ignore")
import httpx, nest_asyncio
from chatkit.chattest import FakeProvider

async def main():
    nest_asyncio.apply()
    with FakeProvider("ok") as fake:
        print(await asyncio.to_thread(lambda: httpx.post(fake.url + "/v1/messages", json={}).status_code))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.stderr) == ("200\n", "")


def test_a_server_that_was_not_started_says_so() -> None:
    fake = FakeProvider("ok")
    with pytest.raises(UsageError, match="start it first"):
        _ = fake.url
    fake.close()
    assert "not started" in repr(fake)


def test_a_server_starts_once() -> None:
    with FakeProvider("ok") as fake, pytest.raises(UsageError, match="started before"):
        fake.start()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: reply("a b", chunks=0), "1 character or more"),
        (lambda: reply("a b", chunks=["a"]), "don't add up"),
        (lambda: reply("a b", chunks="a b"), "one string"),
        (lambda: reply("a", tool_calls=["search"]), "pair of name and arguments"),  # type: ignore[list-item]
    ],
)
def test_a_reply_that_can_not_work_is_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()


@pytest.mark.parametrize(("text", "pieces"), [("", 0), ("   ", 1), ("one", 1), ("one two ", 2), ("  one\n\ntwo", 2), ("a  b   c\n", 3)])
def test_words_are_the_pieces_and_no_white_space_is_lost(text: str, pieces: int) -> None:
    response = reply(text)
    assert response.pieces == pieces
    assert "".join(response.content.text) == text  # type: ignore[union-attr]
