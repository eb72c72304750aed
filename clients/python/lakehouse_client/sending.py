"""Sends requests: the token, the deadline, and another try where nothing can be done twice."""

from __future__ import annotations

import random
import time
from typing import Any, Iterator

import httpx

from .errors import LakehouseError, refusal, silence

#: The first pause where the product names none; each further one is twice as long.
_pause_seconds = 0.1
#: The product's Retry-After is waited for up to here.
_pause_seconds_max = 30
_loopback = ("http://127.", "http://localhost", "http://[::1]")


class Sender:
    def __init__(self, url: str, token: str | None, retries: int, timeout: float | None):
        self.url = url.strip().rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: expected the gateway's address, as http://127.0.0.1:3110, got '{url}'")
        # Of a file or a command it often comes with the end of its line. An error must not show it.
        token = (token or "").strip()
        if not all("!" <= sign <= "~" for sign in token):
            raise ValueError("token: expected letters, digits and signs, without spaces")
        self.retries = retries
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # A proxy of the environment must not see the token of this machine.
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=not self.url.startswith(_loopback))

    def send(self, method: str, path: str, *, is_safe: bool, idempotency_key: str | None = None,
             headers: dict[str, str] | None = None, **request: Any) -> httpx.Response:
        """The answer, its body unread. A body that can be read once, such as a file's, is not sent again."""
        all_headers = {**(headers or {}), **({"idempotency-key": idempotency_key} if idempotency_key else {})}
        may_be_twice = is_safe or idempotency_key is not None
        is_kept = isinstance(request.get("content"), (bytes, str, type(None))) and "files" not in request
        for tries in range(self.retries + 1):
            try:
                return self._once(method, path, is_safe, all_headers, request)
            except LakehouseError as cause:
                pause = _pause_of(cause, tries, may_be_twice)
                if pause is None or not is_kept or tries == self.retries:
                    raise
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, path: str, is_safe: bool, headers: dict[str, str], request: dict[str, Any]) -> httpx.Response:
        try:
            response = self.http.send(self.http.build_request(method, path, headers=headers, **request), stream=True)
            if response.is_success or response.status_code == 304:
                return response
            response.read()
        except httpx.TransportError as cause:
            raise silence(self.url, is_safe, cause) from cause
        raise refusal(response)

    def bytes_of(self, response: httpx.Response) -> Iterator[bytes]:
        """The body as it comes. One that breaks off is an error, never a shorter answer; who stops early ends the work behind it."""
        try:
            yield from response.iter_bytes()
        except httpx.TransportError as cause:
            raise LakehouseError("unavailable", f"the answer of {self.url} broke off in its middle") from cause
        finally:
            response.close()

    def json_of(self, response: httpx.Response) -> Any:
        content = b"".join(self.bytes_of(response))
        if not content:
            return None
        try:
            return httpx.Response(200, content=content).json()
        except ValueError as cause:
            raise LakehouseError("bad_gateway", f"{self.url} does not answer in JSON: is it the gateway?") from cause


def _pause_of(cause: LakehouseError, tries: int, may_be_twice: bool) -> float | None:
    if not cause.should_retry:
        return None
    if cause.status in (429, 503):
        # With Retry-After the product says that nothing was done.
        return cause.retry_after if cause.retry_after is not None and cause.retry_after <= _pause_seconds_max else None
    is_lost = cause.status is None or cause.type == "outcome_unknown"
    return _pause_seconds * 2**tries * random.uniform(0.5, 1) if is_lost and may_be_twice else None
