"""The views; each shows one part of the work and leaves every rule to the services."""
