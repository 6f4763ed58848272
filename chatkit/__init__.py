"""chatkit: language models in Jupyter, with streaming replies, visible retries, and the record of them as DataFrames.

>>> import chatkit as ck
>>> ck.delay(3)
8.0

Start with `chat` (one question), `Chat` (a conversation), `retry` (any function of yours) and `title`.
Everything is loaded at first use: importing chatkit costs next to nothing.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from chatkit.bridge import enable_nested_asyncio
    from chatkit.conversation.interface import Chat, chat
    from chatkit.conversation.replies import Reply, Run, Stream
    from chatkit.conversation.titles import fallback_title, title
    from chatkit.errors import (
        AuthError,
        Busy,
        ChatClosed,
        ChatkitError,
        Classification,
        ContextExceeded,
        MissingKey,
        ProviderError,
        QuotaError,
        RequestRejected,
        Stopped,
        TransientError,
        UnknownOption,
        UsageError,
    )
    from chatkit.failures.classification import classify, is_retryable, status_code_retryable
    from chatkit.magics import load_ipython_extension, unload_ipython_extension
    from chatkit.parts import File, Message, Reasoning, Source, Text, ToolCall, ToolResult, Usage
    from chatkit.retries.backoff import RetryPolicy, delay
    from chatkit.retries.log import AttemptRecord
    from chatkit.retries.notice import RetryNotice
    from chatkit.retrying import retry

__all__ = [
    "AttemptRecord",
    "AuthError",
    "Busy",
    "Chat",
    "ChatClosed",
    "ChatkitError",
    "Classification",
    "ContextExceeded",
    "File",
    "Message",
    "MissingKey",
    "ProviderError",
    "QuotaError",
    "Reasoning",
    "Reply",
    "RequestRejected",
    "RetryNotice",
    "RetryPolicy",
    "Run",
    "Source",
    "Stopped",
    "Stream",
    "Text",
    "ToolCall",
    "ToolResult",
    "TransientError",
    "UnknownOption",
    "Usage",
    "UsageError",
    "chat",
    "classify",
    "delay",
    "enable_nested_asyncio",
    "fallback_title",
    "is_retryable",
    "load_ipython_extension",
    "retry",
    "status_code_retryable",
    "title",
    "unload_ipython_extension",
]

_HOMES = {
    "bridge": "enable_nested_asyncio",
    "conversation.interface": "Chat chat",
    "conversation.replies": "Reply Run Stream",
    "conversation.titles": "fallback_title title",
    "errors": "AuthError Busy ChatClosed ChatkitError Classification ContextExceeded MissingKey ProviderError QuotaError "
    "RequestRejected Stopped TransientError UnknownOption UsageError",
    "failures.classification": "classify is_retryable status_code_retryable",
    "magics": "load_ipython_extension unload_ipython_extension",
    "parts": "File Message Reasoning Source Text ToolCall ToolResult Usage",
    "retries.backoff": "RetryPolicy delay",
    "retries.log": "AttemptRecord",
    "retries.notice": "RetryNotice",
    "retrying": "retry",
}
_HOME_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names.split()}
_ROOMS = frozenset({"analysis", "chattest"})


def __getattr__(name: str) -> object:
    import importlib

    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})


def _warn_of_namesake() -> None:
    """openai-chatkit installs the same import name; where its files lie among ours, one of the two is broken."""
    import os

    if os.path.exists(os.path.join(os.path.dirname(__file__), "agents.py")):
        import warnings

        warnings.warn(
            "openai-chatkit is installed into the same folder as chatkit-notebook: both are imported as 'chatkit', and their files "
            "overwrite each other. Keep one to an environment: uninstall both, then install the one that you want.",
            RuntimeWarning,
            stacklevel=3,
        )


_warn_of_namesake()
