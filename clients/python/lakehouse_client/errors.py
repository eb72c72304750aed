"""What a call ends with that has no answer to give."""

from __future__ import annotations

from typing import Any

import httpx


class LakehouseError(Exception):
    """A call that failed. `type` is of the product's table, such as `not_found` or `sql_error`."""

    def __init__(self, type: str, message: str, *, status: int | None = None, details: Any = None,
                 request_id: str | None = None, retry_after: float | None = None, should_retry: bool = True):
        super().__init__(message)
        self.type = type
        self.message = message
        self.status = status
        self.details = details
        self.request_id = request_id
        self.retry_after = retry_after
        self.should_retry = should_retry

    def __str__(self) -> str:
        facts = [self.type] if self.request_id is None else [self.type, f"request {self.request_id}"]
        return f"{self.message} ({', '.join(facts)})"


def refusal(response: httpx.Response) -> LakehouseError:
    """The error of an answer that is no success, whatever form the endpoint has for its errors."""
    try:
        body = response.json()
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        words = response.text[:200].strip()
        return LakehouseError("bad_gateway", f"{response.url} answered {response.status_code}, and not in the gateway's form: "
                              f"is it the gateway's address? {words}".strip(), status=response.status_code)
    code = error.get("code")
    wait = response.headers.get("retry-after", "")
    return LakehouseError(code if isinstance(code, str) else str(error.get("type")), error["message"], status=response.status_code,
                          details=error.get("details"), request_id=error.get("request_id"),
                          retry_after=float(wait) if wait.isdigit() else None,
                          should_retry=response.headers.get("x-should-retry") != "false")


def silence(url: str, is_safe: bool, cause: Exception) -> LakehouseError:
    """Nobody answered. A change that was asked for may have been carried out all the same, and the error says so."""
    if is_safe or isinstance(cause, httpx.ConnectError):
        return LakehouseError("unavailable", f"nothing answers at {url}; is the product running?")
    return LakehouseError("outcome_unknown", f"{url} ended the connection before it answered: what was asked for may have been "
                          "done; look before you ask again")
