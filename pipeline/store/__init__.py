"""All SQL lives here: one file per entity over one schema, on SQLite and (the same statements) PostgreSQL.

Functions take a `Connection` that the caller opened with `Store.read()` or `Store.write()`; the caller decides
what belongs into one transaction, this package never opens one by itself.
"""

from sqlalchemy import Connection as Connection  # the floors above pass these on and never look inside
from sqlalchemy import Row as Row
