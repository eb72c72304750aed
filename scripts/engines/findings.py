"""What every reader of a catalog is told and how it tells what it found: read_NAME.py URI TOKEN SUFFIX, a line of JSON each."""
import datetime
import json
import sys

uri, token, suffix = sys.argv[1:4]


def tell(**found):
    print(json.dumps(found), flush=True)


def text(value):
    """A value of a column as the expected ones are written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    return str(value)


def tell_refusal(write):
    """What a write is refused with; empty when it is not."""
    try:
        write()
        tell(refused="")
    except Exception as error:
        tell(refused=f"{type(error).__name__}: {error}")


def iceberg_catalog():
    """PyIceberg's catalog at the address."""
    from pyiceberg.catalog import load_catalog

    return load_catalog("lakehouse", type="rest", uri=uri, **({"token": token} if token else {}))
