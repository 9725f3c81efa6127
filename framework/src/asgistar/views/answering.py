"""What a plan makes of what its view returned: written as source."""

from __future__ import annotations

from asgistar.http.response import JSON, Response
from asgistar.signature import EMPTY
from asgistar.views.returns import Returns, Way, encode
from asgistar.views.source import Source


def write_answer(source: Source, returns: Returns) -> None:
    """Make a response of what the view returned."""
    way, type, status = returns.way, returns.type, returns.status
    source.names["reply"] = returns.reply
    if way is Way.NOTHING:
        source.write("if result is not None:")
        source.write("return reply(result)", 1)
        source.write(f'return {status}, [], b""')
        return
    if way is Way.RESPONSE or type is EMPTY:
        source.write("return reply(result)")
        return
    if way is Way.PLAIN:
        source.write("if isinstance(result, Response):", Response=Response)
        source.write("return result.reply()", 1)
    else:
        source.write("if not is_declared(result):", is_declared=returns.check)
        source.write("return reply(result)", 1)
    source.write(f"content = encode({source.filled('result', type)})", encode=encode)
    line = f'return {status}, [JSON, (b"content-length", b"%d" % len(content))], content'
    source.write(line, JSON=JSON)
