"""The rows of a statement, asked for when they are wanted, in the form that is wanted."""

from __future__ import annotations

import io
from typing import Any, Callable, Iterator

import pyarrow as pa

_shown_rows = 20


class _Chunks(io.RawIOBase):
    """Chunks as a file that is read once."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            self._rest = next(self._chunks, b"")
            if not self._rest:
                return 0
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        if not self.closed and hasattr(self._chunks, "close"):
            self._chunks.close()
        super().close()


class Result:
    """Nothing is asked before one of its methods is called; a table that was fetched is kept."""

    def __init__(self, ask: Callable[[], Iterator[bytes]]):
        self._ask = ask
        self._table: pa.Table | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches as they come, at constant memory. Leaving the loop ends the query."""
        with io.BufferedReader(_Chunks(self._ask()), 1 << 16) as file, pa.ipc.open_stream(file) as reader:
            yield from reader

    def arrow(self) -> pa.Table:
        if self._table is None:
            with io.BufferedReader(_Chunks(self._ask()), 1 << 16) as file, pa.ipc.open_stream(file) as reader:
                self._table = reader.read_all()
        return self._table

    def pandas(self, numpy: bool = False) -> Any:
        """A DataFrame in Arrow's types; with `numpy` in pandas' own, where integers beside NULL become floats."""
        import pandas

        return self.arrow().to_pandas(types_mapper=None if numpy else pandas.ArrowDtype)

    def polars(self) -> Any:
        import polars

        return polars.from_arrow(self.arrow())

    def rows(self) -> list[dict[str, Any]]:
        return self.arrow().to_pylist()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches():
            yield from batch.to_pylist()

    def __len__(self) -> int:
        return self.arrow().num_rows

    def __repr__(self) -> str:
        table = self.arrow()
        names = ", ".join(table.column_names)
        lines = [", ".join(str(value) for value in row.values()) for row in table.slice(0, _shown_rows).to_pylist()]
        more = [] if table.num_rows <= _shown_rows else ["…"]
        return "\n".join([names, *lines, *more, f"{table.num_rows} rows"])

    def _repr_html_(self) -> str:
        from html import escape

        table = self.arrow()
        cells = lambda tag, values: "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in values)  # noqa: E731
        rows = [f"<tr>{cells('td', row.values())}</tr>" for row in table.slice(0, _shown_rows).to_pylist()]
        return (f"<table><thead><tr>{cells('th', table.column_names)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
                f"<p>{table.num_rows} rows</p>")
