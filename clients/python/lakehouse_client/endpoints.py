"""Every endpoint as a method, `lake.catalogd.versions(name=…)`: made from the product's own OpenAPI document."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any
from urllib.parse import quote

from .sending import Sender

_json = "application/json"


class Endpoint:
    """One operation of the document. Arguments go by name; those that are no parameter are fields of the body."""

    def __init__(self, sender: Sender, method: str, path: str, operation: dict[str, Any]):
        self._sender, self._method, self._path = sender, method, path
        self._operation = operation
        self._parameters = {one["name"]: one for one in operation.get("parameters", []) if one["in"] != "header"}
        content = operation.get("requestBody", {}).get("content", {})
        self._takes_json = _json in content
        self._is_safe = method in ("GET", "HEAD") or not any(
            one["name"] == "idempotency-key" for one in operation.get("parameters", []))
        fields = content.get(_json, {}).get("schema", {}).get("properties", {}) if self._takes_json else {}
        names = [*self._parameters, *fields]
        self.__name__ = operation["operationId"].split(".", 1)[-1]
        self.__doc__ = f"{operation.get('summary', '')}\n\n{method} {path}"
        kinds = [inspect.Parameter(_word(name), inspect.Parameter.KEYWORD_ONLY, default=None) for name in dict.fromkeys(names)]
        self.__signature__ = inspect.Signature(kinds)

    def __call__(self, *, body: Any = None, accept: str | None = None, headers: dict[str, str] | None = None,
                 idempotency_key: str | None = None, **given: Any) -> Any:
        """JSON as a value, other answers as `httpx.Response` whose body is unread."""
        values = {self._named(word): value for word, value in given.items() if value is not None}
        path = re.sub(r"\{(\w+)\}", lambda match: quote(str(self._taken(values, match[1])), safe=""), self._path)
        query = {name: _text(values.pop(name)) for name in [*values] if name in self._parameters}
        if values and not self._takes_json:
            raise TypeError(f"{self.__name__}() takes no '{next(iter(values))}'; expected {', '.join(self._parameters) or 'nothing'}")
        sent = {**(headers or {}), **({"accept": accept} if accept else {})}
        request: dict[str, Any] = {"params": query}
        if body is not None:
            request["content"] = body
        elif self._takes_json:
            request["content"] = json.dumps(values)
            sent.setdefault("content-type", _json)
        response = self._sender.send(self._method, path, is_safe=self._is_safe, idempotency_key=idempotency_key, headers=sent, **request)
        is_json = response.headers.get("content-type", "").split(";")[0] == _json
        return self._sender.json_of(response) if is_json or response.status_code == 204 else response

    def _named(self, word: str) -> str:
        return next((name for name in self._parameters if _word(name) == word), word.removesuffix("_") if word.endswith("_") else word)

    def _taken(self, values: dict[str, Any], name: str) -> Any:
        if name not in values:
            raise TypeError(f"{self.__name__}() needs '{name}'")
        return values.pop(name)

    def __repr__(self) -> str:
        return f"<{self._method} {self._path}{self.__signature__}>"


def _word(name: str) -> str:
    """`from` is a word of Python's: the argument is `from_`."""
    import keyword

    word = re.sub(r"\W", "_", name)
    return f"{word}_" if keyword.iskeyword(word) else word


def _text(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_text(one) for one in value]
    return json.dumps(value) if isinstance(value, (bool, dict)) else value


class Service:
    """The endpoints of one service."""

    def __init__(self, name: str, endpoints: dict[str, Endpoint]):
        self._name = name
        self._endpoints = endpoints

    def __getattr__(self, name: str) -> Endpoint:
        if name.startswith("__") or name not in self._endpoints:
            raise AttributeError(f"{self._name} has no endpoint '{name}'; expected {', '.join(self._endpoints)}")
        return self._endpoints[name]

    def __dir__(self) -> list[str]:
        return [*self._endpoints]


def services_of(sender: Sender, document: dict[str, Any]) -> dict[str, Service]:
    """Services by their names. `catalogd.drop` of the document is `lake.catalogd.drop`."""
    found: dict[str, dict[str, Endpoint]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            service, _, name = operation["operationId"].partition(".")
            found.setdefault(service, {})[name.replace(".", "_")] = Endpoint(sender, method.upper(), path, operation)
    return {name: Service(name, endpoints) for name, endpoints in found.items()}
