"""The client: what people ask for most in a line, and every endpoint by its service."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from pathlib import Path
from typing import Any, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet

from .endpoints import Service, services_of
from .errors import LakehouseError
from .result import Result
from .sending import Sender

_arrow = "application/vnd.apache.arrow.stream"
_endings = re.compile(r"(\.(csv|tsv|txt|ndjson|jsonl|json|parquet|gz|zst|zstd))+$", re.IGNORECASE)


class Lakehouse:
    """A client of the gateway at `url`; without one of LH_GATEWAY_URL, or of this machine. The token is AUTH_TOKEN unless given."""

    def __init__(self, url: str | None = None, *, token: str | None = None, retries: int = 3, timeout: float | None = None):
        self._sender = Sender(url or os.environ.get("LH_GATEWAY_URL") or "http://127.0.0.1:3110",
                              token if token is not None else os.environ.get("AUTH_TOKEN"), retries, timeout)
        self._services: dict[str, Service] | None = None

    def sql(self, sql: str, params: Sequence[Any] | dict[str, Any] | None = None, *, limit: int | None = None,
            as_of: str | None = None, engine: str | None = None, timeout_ms: int | None = None) -> Result:
        """One reading statement: `.pandas()`, `.polars()`, `.arrow()`, `.rows()`, `.batches()`."""
        given = {"sql": sql, "params": params, "limit": limit, "as_of": as_of, "engine": engine, "timeout_ms": timeout_ms}
        body = json.dumps({name: value for name, value in given.items() if value is not None}, default=str)

        def ask() -> Iterator[bytes]:
            headers = {"accept": _arrow, "content-type": "application/json"}
            return self._sender.bytes_of(self._sender.send("POST", "/v1/sql", is_safe=True, headers=headers, content=body))

        return Result(ask)

    def load(self, data: Any, name: str | None = None, *, idempotency_key: str | None = None, **options: Any) -> dict[str, Any]:
        """
        A file by its path, bytes, an open file, or a table of pandas, Polars or Arrow becomes a dataset; a list of paths one
        dataset of all, or none of them. `options` are those of POST /v1/ingest: mode="append", types="zip:VARCHAR",
        sheet="Jobs", union_by_name=True, …; with url="https://…" and no data the product fetches the file, with source="hr",
        table="public.jobs" it reads the table of a database.
        """
        if data is None and ("url" in options or "source" in options):
            if name is None:
                raise TypeError("load() needs a name for what it fetches")
            return self._ingest(None, name, idempotency_key, options)
        if isinstance(data, (list, tuple)) and data and all(isinstance(path, (str, os.PathLike)) for path in data):
            if name is None:
                raise TypeError("load() needs a name for several files")
            with contextlib.ExitStack() as opened:
                files = [("file", (Path(path).name, opened.enter_context(open(path, "rb")))) for path in data]
                return self._ingest(files, name, idempotency_key, options)
        if isinstance(data, (str, os.PathLike)):
            path = Path(data)
            with path.open("rb") as file:
                return self._ingest(file, name or _name_of(path), idempotency_key, options)
        if name is None:
            raise TypeError("load() needs a name for what is no file")
        content = data if isinstance(data, (bytes, io.IOBase)) else _parquet_of(data)
        return self._ingest(content, name, idempotency_key, options)

    def _ingest(self, content: Any, name: str, idempotency_key: str | None, options: dict[str, Any]) -> dict[str, Any]:
        is_form = isinstance(content, list)
        headers = {} if is_form or content is None else {"content-type": "application/octet-stream"}
        body = {"files": content} if is_form else {} if content is None else {"content": content}
        params = {word: json.dumps(value) if isinstance(value, (bool, dict)) else value for word, value in options.items()}
        response = self._sender.send("POST", "/v1/ingest", is_safe=False, idempotency_key=idempotency_key, headers=headers,
                                     params={"name": name, **params}, **body)
        return self._sender.json_of(response)

    def search(self, text: str, *, corpora: Sequence[str] | None = None, k: int = 10, **options: Any) -> dict[str, Any]:
        """The best rows for a text, of the corpora or the active profile's: `["hits"]`, and in `["errors"]` corpora that failed."""
        given = {"query_text": text, "k": k, "include_text": True, **({"corpora": list(corpora)} if corpora else {}), **options}
        return self._sender.json_of(self._post("/v1/matrix/search", given))

    def chat(self, messages: str | Sequence[dict[str, Any]], model: str | None = None, **options: Any) -> Iterator[str]:
        """A model's answer as text, piece by piece."""
        said = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
        given = {"messages": said, "stream": True, **({"model": model} if model else {}), **options}
        for data in _events(self._sender.bytes_of(self._post("/v1/chat", given))):
            if data == "[DONE]":
                return
            value = json.loads(data)
            error = value.get("error")
            if error:
                raise LakehouseError(error.get("code") or error.get("type") or "internal", error.get("message", "the model failed"))
            for choice in value.get("choices", []):
                piece = choice.get("delta", {}).get("content")
                if piece:
                    yield piece
        raise LakehouseError("unavailable", "the answer ended before its end: what came of it is not all")

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._sender.send("POST", path, is_safe=True, headers={"content-type": "application/json"}, content=json.dumps(body))

    def __getattr__(self, name: str) -> Service:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._services is None:
            self._services = services_of(self._sender, self._sender.json_of(self._sender.send("GET", "/v1/openapi.json", is_safe=True)))
        if name not in self._services:
            raise AttributeError(f"there is no service '{name}'; expected {', '.join(self._services)}")
        return self._services[name]

    def close(self) -> None:
        self._sender.http.close()

    def __enter__(self) -> "Lakehouse":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _name_of(path: Path) -> str:
    """`2024-jobs.csv.gz` is loaded as `_2024_jobs`."""
    name = re.sub(r"[^a-z0-9_]+", "_", _endings.sub("", path.name).lower())
    if not re.search("[a-z0-9]", name):
        raise TypeError(f"'{path}' gives no name to a dataset: load() needs one")
    return name if re.match("[a-z_]", name) else f"_{name}"


def _parquet_of(data: Any) -> bytes:
    if isinstance(data, pa.Table):
        table = data
    elif hasattr(data, "to_arrow"):  # Polars
        table = data.to_arrow()
    elif type(data).__module__.split(".")[0] == "pandas":
        table = pa.Table.from_pandas(data, preserve_index=False)
    else:
        raise TypeError(f"load() takes a path, bytes, a file, or a table of pandas, Polars or Arrow, got {type(data).__name__}")
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


def _events(chunks: Iterator[bytes]) -> Iterator[str]:
    """The data of server-sent events, as the product writes them: one line each."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip().decode()
