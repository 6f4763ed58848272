"""Code for a notebook's first cell: scripted events into a display, step by step, with no provider anywhere."""

SCRIPT = '''
import threading
import time
from datetime import UTC, datetime
from chatkit.display.opening import open_turn_display, open_retry_display
from chatkit.events import ErrorEvent, MessagePart, Retry, Status
from chatkit.parts import Message, Reasoning, Source, Text, ToolCall


class Pressed:
    """Commands that note what was pressed, and when."""

    def __init__(self):
        self.stopped, self.woken = threading.Event(), threading.Event()
        self.at = {}

    def stop(self):
        self.at["stop"] = time.time()
        self.stopped.set()

    def retry_now(self):
        self.at["retry"] = time.time()
        self.woken.set()


class Script:
    """A turn, played by hand."""

    def __init__(self, prompt="Why do clients back off?", model="demo"):
        self.pressed = Pressed()
        self.display = open_turn_display(self.pressed, model=model, prompt=prompt)
        self.attempt, self.seq, self.texts = 1, 0, []
        self.display.apply(Status(chat_id="c", status="running"))

    def part(self, part, index=0):
        self.seq += 1
        self.display.apply(MessagePart(chat_id="c", role="assistant", part=part, step=1, attempt=self.attempt, index=index, seq=self.seq))

    def say(self, text):
        self.texts.append(text)
        self.part(Text(text=text))

    def fail(self, seconds, error="anthropic is overloaded", attempt=None):
        self.attempt = attempt or self.attempt
        self.display.apply(Retry(chat_id="c", attempt=self.attempt, delay_ms=int(seconds * 1000), retrying_at=datetime.now(UTC),
                                 error=error, kind="overloaded", provider="anthropic", status_code=529))
        self.attempt, self.texts = self.attempt + 1, []

    def error(self, message, **fields):
        self.display.apply(ErrorEvent(chat_id="c", message=message, **fields))

    def end(self, stop_reason="end"):
        if self.texts:
            parts = (Text(text="".join(self.texts)),)
            self.display.apply(Message(id=2, chat_id="c", role="assistant", parts=parts, created_at=datetime.now(UTC), stop_reason=stop_reason))
        self.display.apply(Status(chat_id="c", status="waiting"))
        self.display.close()
'''
