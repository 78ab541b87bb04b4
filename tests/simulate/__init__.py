"""A seeded simulation of federations and workloads: what ways of choosing cost and take (docs/simulation.md)."""
