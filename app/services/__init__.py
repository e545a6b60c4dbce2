"""Use cases: each loads, asks the domain, and commits state, audit entry and jobs together."""
