"""The dashboard: pages for people, served by the gateway itself (docs/dashboard.md)."""
