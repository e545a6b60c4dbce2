"""Every mapping of the database behind one name: what migrations and their tests compare."""

from __future__ import annotations

from app.store import tables_orders
from app.store.tables import Base

__all__ = ["Base", "tables_orders"]
