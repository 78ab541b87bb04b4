"""Webhooks: changes of a task, sent to the URL in its tag `protes.callback_url` (docs/events.md)."""
