"""The processes: listener, drafting, delivery, and the supervisor that keeps them up."""
