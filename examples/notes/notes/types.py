"""What the numbers and texts of the API may be.

Whatever passes here can be kept by any database: numbers fit, and no text has a null character in it.
"""

from __future__ import annotations

from typing import Annotated

from asgistar import Meta

# In Python `$` matches before a line break at the end, too; `(?!\n)` says that there is none.
END = r"$(?!\n)"

Id = Annotated[int, Meta(ge=1, le=2**31 - 1)]

Line = Annotated[str, Meta(pattern=rf"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*{END}")]
"""A line of text: something other than spaces, and no control characters."""

Title = Annotated[Line, Meta(max_length=200, examples=["Plan Lisbon"])]
Name = Annotated[Line, Meta(max_length=100, examples=["Ada"])]
Text = Annotated[str, Meta(max_length=100_000, pattern=r"^[^\x00]*$")]
Search = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]
Tag = Annotated[str, Meta(pattern=rf"^[a-z0-9][a-z0-9-]{{0,39}}{END}", examples=["work"])]
Tags = Annotated[list[Tag], Meta(max_length=20)]

Email = Annotated[
    str,
    Meta(max_length=254, pattern=rf"^[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+{END}", examples=["ada@example.com"]),
]
"""ASCII: two addresses that look the same are the same."""

Password = Annotated[str, Meta(min_length=8, max_length=200)]
