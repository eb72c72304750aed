"""`%sql SELECT …` and `%%sql`: a statement in a cell, as a DataFrame."""

from __future__ import annotations

from typing import Any

from .client import Lakehouse

_forms = ("pandas", "polars", "arrow")


def register(ipython: Any) -> None:
    """The client is the variable `lake` of the notebook where there is one, else one by the environment."""

    def sql(line: str, cell: str | None = None) -> Any:
        words = f"{line}\n{cell or ''}".strip()
        form = next((one for one in _forms if words.startswith(f"--{one}")), None)
        statement = words if form is None else words[len(form) + 2 :].strip()
        if not statement:
            raise ValueError("expected %sql [--pandas|--polars|--arrow] STATEMENT")
        lake = ipython.user_ns.get("lake")
        result = (lake if isinstance(lake, Lakehouse) else Lakehouse()).sql(statement)
        return getattr(result, form)() if form else result

    ipython.register_magic_function(sql, "line_cell", "sql")
