"""Hold the table of classes against the real libraries, in an environment that is made on first use: ``python -m tests.failures.real_classes``.

It fails with the list of the names that no library of their line defines, and of the libraries that can't be imported.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers import default_folder, environment_with
from benchmarks.processes import environment
from chatkit.failures.classes import LIBRARIES

UNSEEN = frozenset({"niquests", "urllib3_future"})
"""Beside them, urllib3 itself can't be seen: they put their own in its place."""
DISTRIBUTIONS = """
    aiobotocore aiohttp aiokafka aiormq amqp anthropic anyio azure-core boto3 botocore cassandra-driver celery clickhouse-driver cohere curl_cffi
    discord.py distributed elasticsearch fsspec gcsfs google-api-core google-api-python-client google-auth gql groq grpcio h11 h2 httpcore
    httpcore2 httplib2 httpx httpx2 huggingface_hub instructor kafka-python kombu langchain-core litellm mistralai msgspec mysql-connector-python
    nats-py ollama openai
    opensearch-py pandas paramiko pika playwright polars prawcore psycopg[binary,pool] psycopg2-binary pyarrow pycurl pydantic pymongo pysocks python-telegram-bot pyzmq
    redis replicate requests s3fs s3transfer scikit-learn selenium slack_sdk sqlalchemy stripe together tornado trio twisted urllib3
    valkey websocket-client websockets
"""
MODULES = """
    aiohttp.http_exceptions azure.core.exceptions cassandra.cluster concurrent.futures curl_cffi.requests.exceptions distributed.comm gcsfs.retry
    google.api_core.exceptions google.auth.exceptions googleapiclient.errors gql.transport.exceptions h2.exceptions http.client
    huggingface_hub.errors mysql.connector playwright._impl._errors pydantic_core selenium.common.exceptions tornado.httpclient tornado.iostream
    tornado.simple_httpclient tornado.websocket twisted.internet.error twisted.web._newclient twisted.web.client twisted.web.error urllib.error
"""
"""Where classes stand that importing the library doesn't load."""

_PROBE = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
rows, modules = json.load(sys.stdin)
problems = []
for name in [library for libraries, _ in rows for library in libraries] + modules:
    for module in (name, name + ".exceptions", name + ".error", name + ".errors", name + ".exc"):
        try:
            importlib.import_module(module)
        except Exception as error:
            if module == name:
                problems.append(f"{name} can't be imported: {error}")
found = set()
for module in [module for module in sys.modules.values() if isinstance(module, type(sys))]:
    for name, value in [*vars(module).items(), *vars(getattr(module, "IMAP4", object)).items()]:
        if isinstance(value, type) and issubclass(value, BaseException):
            found |= {(module.__name__.partition(".")[0], name), (str(value.__module__).partition(".")[0], value.__name__)}
for libraries, names in rows:
    problems += [f"{' '.join(libraries)}: {name}" for name in names if not any((library, name) in found for library in libraries)]
print(json.dumps(problems))
"""


def main() -> int:
    """Print what doesn't exist; 1 if there is any such name."""
    python = environment_with(default_folder().with_name("real-classes"), DISTRIBUTIONS.split(), print)
    rows = [([one for one in libraries.split() if one not in UNSEEN], " ".join(kinds.values()).split()) for libraries, kinds in LIBRARIES]
    with tempfile.TemporaryDirectory() as scratch:
        ran = subprocess.run(
            [python, "-c", _PROBE],
            cwd=scratch,
            env=environment(Path(scratch)),
            input=json.dumps([rows, MODULES.split()]),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    problems = json.loads(ran.stdout.splitlines()[-1])
    print("\n".join(problems) or f"all {sum(len(names) for _, names in rows)} names are there")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
