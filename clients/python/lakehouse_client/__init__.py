"""A client of Lakehouse: SQL to pandas, Polars and Arrow, files to datasets, search, and every endpoint."""

from .client import Lakehouse
from .errors import LakehouseError
from .result import Result

__all__ = ["Lakehouse", "LakehouseError", "Result", "load_ipython_extension"]


def load_ipython_extension(ipython):
    """`%load_ext lakehouse_client`: the magics `%sql` and `%%sql`."""
    from .magic import register

    register(ipython)
