"""chatkit: language models in Jupyter, with streaming replies, visible retries, and the record of them as DataFrames.

>>> import chatkit as ck
>>> ck.delay(3)
8.0

Start with `chat` (a single prompt), `Chat` (a conversation), `retry` (any function of yours) and `title`.
Everything is loaded at first use: importing chatkit costs next to nothing.
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    from chatkit.lazy import load_public

    return load_public(__name__, name)


def __dir__() -> list[str]:
    from chatkit.lazy import public_names

    return public_names(__name__)


def _warn_of_namesake() -> None:
    """openai-chatkit installs the same import name; where its files lie among ours, one of the two is broken."""
    import os

    if os.path.exists(os.path.join(os.path.dirname(__file__), "agents.py")):
        import warnings

        warnings.warn(
            "openai-chatkit is installed into the same folder as chatkit-notebook: both are imported as 'chatkit', and their files "
            "overwrite each other. Keep only one of them per environment: uninstall both, then install the one that you want.",
            RuntimeWarning,
            stacklevel=3,
        )


_warn_of_namesake()
