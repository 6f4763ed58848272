"""The texts that the browser shows by itself."""

from __future__ import annotations

import msgspec


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """The texts that the browser shows by itself: it gets them with the view. Braces stand for what it fills in."""

    # the wait before another attempt: "Retrying in 4 s… (attempt 3 failed: …)"
    retrying: str = "Retrying {when}…"
    in_time: str = "in {time}"
    hours: str = "h"
    minutes: str = "min"
    seconds: str = "s"
    now: str = "now"
    slow: str = "slower than usual"
    retry_now: str = "Retry now"
    stop: str = "Stop"
    stopping: str = "stopping…"
    try_again: str = "Try again"
    # when a command doesn't reach the kernel at once
    kernel_gone: str = "The kernel is gone. The text stays here; run the cell again to continue."
    kernel_busy: str = "The kernel is busy: interrupt it (■) to stop."
    kernel_later: str = "The kernel is busy: it handles this when the running cell has ended."
    # a whole chat
    untitled: str = "New Chat"
    no_messages: str = "No messages yet."
    conversation: str = "Conversation"
    latest: str = "↓ Latest"
    context: str = "Context {grade}: {percent} %, {words}"
    context_used: str = "used"
    context_nearly_full: str = "nearly full"
    context_full: str = "full"
    message: str = "Message"
    placeholder: str = "Write a message: Enter sends it"
    send: str = "Send"
    queue: str = "Queue"
    save: str = "Save"
    cancel: str = "Cancel"
    editing_last: str = "Editing your last message; its answer will be replaced"
    editing_queued: str = "Editing a queued message"
    queued: str = "Queued messages"
    one_queued: str = "1 message is queued"
    many_queued: str = "{count} messages are queued"
    send_next: str = "Send next"
    edit: str = "Edit"
    delete: str = "Delete"
    # code
    copy: str = "Copy"
    copy_code: str = "Copy code"
    copy_reply: str = "Copy the reply"
    copied: str = "Copied"
    code_copied: str = "Copied."
    selected: str = "Selected"
    code_selected: str = "Selected: press Ctrl+C to copy."


LABELS = Labels()
