"""What clients of Python print: one line of JSON, with values as texts."""

import json


def text(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(text(one) for one in value)
    words = str(value)
    return words.rstrip("0") if hasattr(value, "microsecond") and "." in words else words


def say(**found):
    print(json.dumps(found))
