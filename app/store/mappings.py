"""Every mapping, so that `Base.metadata` is complete for whoever compares or creates tables."""

from __future__ import annotations

from app.store import (
    tables_access,
    tables_alerts,
    tables_amendments,
    tables_attestations,
    tables_commitment,
    tables_context,
    tables_critical,
    tables_forwarding,
    tables_login,
    tables_models,
    tables_operations,
    tables_orders,
    tables_preferences,
    tables_priors,
    tables_rules,
    tables_second_reviews,
    tables_templates,
)
from app.store.tables import Base

__all__ = [
    "Base",
    "tables_access",
    "tables_alerts",
    "tables_amendments",
    "tables_attestations",
    "tables_commitment",
    "tables_context",
    "tables_critical",
    "tables_forwarding",
    "tables_login",
    "tables_models",
    "tables_operations",
    "tables_orders",
    "tables_preferences",
    "tables_priors",
    "tables_rules",
    "tables_second_reviews",
    "tables_templates",
]
