"""The demo's answers: they are written in advance, and the words of the prompt choose one, without a model or chance."""

from __future__ import annotations

import re
from typing import NamedTuple

LABEL = "*Scripted demo on this machine: no model answered.*"
"""The last line of every answer."""


class Topic(NamedTuple):
    """An answer, the title of a chat about it, and the words that ask for it."""

    title: str
    words: re.Pattern[str]
    text: str


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})", re.IGNORECASE)


TOPICS = (
    Topic(
        "Why clients back off",
        _words(r"back(?:ed|s|ing)?[ -]?off|exponential|wait(?:s|ing)?\b|delays?\b"),
        """**Because a server in trouble needs less work, not more.** A request that failed for overload and comes again at once is \
one more request on the same queue; do that on every client, and the server stays down.

So each client waits, and doubles the wait with each failure:

```
1, 2, 4, 8, 16, 32, 60, 60 … seconds
```

1. A short hiccup costs only a second.
2. A long outage is asked about once a minute, not thousands of times.
3. A ceiling keeps the wait bearable for the person who watches.

If the server says how long to wait (`retry-after`), that is a minimum.""",
    ),
    Topic(
        "What jitter does",
        _words(r"jitter\w*|random\w*"),
        """**Jitter spreads retries out in time.** Without it, clients that failed together wait equally long and come back \
together: the load returns as a spike after 1, 2, 4 … seconds.

| jitter | the third wait |
| --- | --- |
| none | exactly 4 s |
| equal | 2 to 4 s |
| full | 0 to 4 s |

It matters when *many* clients share a server. For one notebook a fixed wait is easier to read, so chatkit adds none unless asked:

```python
ck.Chat("demo", policy=ck.RetryPolicy(jitter="full"))
```

A server's own `retry-after` stays a minimum either way.""",
    ),
    Topic(
        "The thundering herd",
        _words(r"thundering|herds?\b|stampedes?\b|at the same time|all at once"),
        """**A thundering herd is many clients waking at the same moment.** A server fails for a second; a thousand clients notice \
together, wait equally long, and return together. The crowd knocks it over again, and the cycle feeds itself.

What breaks it up:

- **Back-off**: each round comes later than the one before.
- **Jitter**: within a round, clients arrive spread out.
- **A server's hint**: `retry-after` lets the server choose the time.
- **A budget**: after so many failures a client gives up.

No single client can see the herd, so each must behave as if it were part of one.""",
    ),
    Topic(
        "When a retry is worth it",
        _words(r"retr(?:y|ies|ied|ying)|attempts?\b|try again|idempoten\w+|fail(?:s|ed|ing|ures?)?\b"),
        """**A retry is worth it when the same request may succeed later.**

| failure | again? |
| --- | --- |
| overloaded, 500, 502, 503, 529 | yes |
| rate limit (429) | yes, after the wait that it names |
| connection cut, timeout | yes |
| wrong key, unknown model, bad request | no: it would fail again |
| quota used up | no: somebody must pay |

A reply that broke off in the middle is withdrawn before the next attempt, so no word is shown twice. In chatkit \
`chat.retries` holds every attempt as a DataFrame, and `ck.is_retryable(error)` answers for any exception.""",
    ),
    Topic(
        "Rate limits and overload",
        _words(r"rate[ -]?limit\w*|limits?\b|quotas?\b|429|529|overload\w*|busy\b|capacity"),
        """**A rate limit is about you, overload is about the server.**

- **429, rate limit**: your account sent more requests or tokens in a minute than it may. The response usually says when to come \
back, as `retry-after`.
- **529 or 503, overloaded**: too many people ask at once. Nobody knows how long it lasts, so clients back off.
- **Quota**: the money or the monthly allowance is used up. Waiting a few seconds doesn't help, so chatkit stops and says so.

Fewer parallel requests and shorter prompts help with the first; only patience helps with the second.""",
    ),
    Topic(
        "How a reply streams",
        _words(r"stream\w*|events?\b|tokens?\b|deltas?\b|chunks?\b|sse\b|piece by piece|word by word"),
        """**A reply is sent while it is being written.** The server keeps one HTTP response open and sends small events, each with a \
few characters:

```
event: content_block_delta
data: {"type": "content_block_delta", "index": 0, …}
```

The client appends each piece to the text shown so far. Two things need care:

1. The stream must end with its **terminal event**; otherwise it was cut off, even if the connection closed politely.
2. Pieces arrive faster than a page should redraw, so a view collects about 50 ms of them.

`with chat.stream(question) as events:` gives you every event.""",
    ),
    Topic(
        "How chats get their titles",
        _words(r"titles?\b|nam(?:e|es|ed|ing)\b|called"),
        """**A title comes in two steps.** At once, a chat is called by the first six words of its question. After the first reply, \
the model is asked for something better, in the background:

- plain text, at most 8 words and 80 characters;
- 10 seconds in all, then the first one stays;
- it never delays the reply, and a name that you gave in the meantime wins.

You can ask for one yourself:

```python
ck.title("why do clients back off before they try again?")
```

Here even the title is scripted: a short rule wrote it from your question.""",
    ),
    Topic(
        "Stopping a reply",
        _words(r"stop(?:s|ped|ping)?\b|cancel\w*|interrupt\w*|take your time|slow\w*|pause\w*"),
        """**You can stop a reply at any moment, and keep what was said.** Press *Stop* in the view, or the kernel's interrupt button; \
during a wait between attempts both work as well.

What happens then:

1. The request itself is cancelled: nothing goes on in the background, and no more tokens are paid for.
2. The words that had arrived stay in the chat.
3. `Stopped` is raised, and its `reply` holds those words.

To watch it at leisure, open `ck.Chat("demo:slow")`: its reply takes twenty seconds. `chat.submit(question)` lets the cell finish \
while the view goes on.""",
    ),
    Topic(
        "Whether it really helps",
        _words(r"really|sure\b|certain\w*|prove|proof|evidence|believe"),
        """**Yes, and a small calculation shows it.** Say 1,000 clients meet an outage of two minutes.

| strategy | requests in two minutes |
| --- | --- |
| again every second | 120,000 |
| 1, 2, 4 … 60 s | 7,000 |

With doubling waits each client asks only at 0, 1, 3, 7, 15, 31 and 63 seconds: seven times instead of 120. The price is that a client \
may notice the recovery late, at 123 seconds here: three seconds after the end.

That trade is nearly always right, and a **Retry now** button covers the rest.""",
    ),
    Topic(
        "Hello from the demo",
        _words(r"hello|hi\b|hey\b|good (?:morning|afternoon|evening)|greetings|how are you|thanks|thank you"),
        """**Hello!** You are talking to a script, which serves one purpose: to show how a reply streams through a provider that fails.

Try one of these:

- *Why do clients back off?*
- *What does jitter do?*
- *What is a thundering herd?*
- *When is a retry worth it?*
- *How does a reply stream?*

Other scripts fail in other ways: `demo:overloaded`, `demo:cut`, `demo:ratelimit`, `demo:down`, `demo:slow`, and `demo:steady`, which \
never fails:

```python
ck.chat("Why do clients back off?", "demo:overloaded")
```""",
    ),
)

FALLBACK = """**I can't answer that: this is a script, not a model.** It runs on your machine, needs no key and no network, and knows a \
few answers about back-off, jitter, retries, rate limits, streaming and titles.

To ask a real model, set the key of its vendor in the environment and name it:

- `ck.Chat("anthropic:claude-…")` with `ANTHROPIC_API_KEY`
- `ck.Chat("openai:gpt-…")` with `OPENAI_API_KEY`
- any server that speaks Chat Completions:

```python
ck.Chat("openai-compat:llama3", base_url="http://127.0.0.1:11434/v1")
```

All else stays the same: the stream, the countdown, the record of the retries."""


def answer(prompt: str) -> str:
    """The answer to a prompt, which is always the same.

    >>> answer("And without jitter?").splitlines()[0][:38]
    '**Jitter spreads retries out in time.*'
    >>> answer("And without jitter?").endswith(LABEL)
    True
    """
    topic = _topic(prompt)
    return f"{topic.text if topic else FALLBACK}\n\n{LABEL}"


def demo_title(prompt: str) -> str:
    """A short title: that of the topic, or the prompt's own words without the small ones at its start.

    >>> demo_title("Why do clients back off?"), demo_title("Could you please tell me about the tallest trees of the world, and why?")
    ('Why clients back off', 'Tallest trees of the world and why')
    """
    if topic := _topic(prompt):
        return topic.title
    words = re.findall(r"\w[\w'’-]*", prompt)
    while len(words) > 1 and _SMALL.fullmatch(words[0]):
        words.pop(0)
    text = " ".join(words[:7])[:60].rstrip()
    return text[:1].upper() + text[1:] or "A question without words"


_SMALL = re.compile(
    r"a|about|an|and|are|can|could|do|does|explain|give|how|i|is|it|know|like|me|my|of|or|please|show|so|tell|the|then|to|want|was|what|when"
    r"|where|which|who|why|will|would|you",
    re.IGNORECASE,
)


def _topic(prompt: str) -> Topic | None:
    """The topic whose words occur most often, or the first of several such topics."""
    counts = [(len(topic.words.findall(prompt)), topic) for topic in TOPICS]
    most = max(count for count, _ in counts)
    return next(topic for count, topic in counts if count == most) if most else None
