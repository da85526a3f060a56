"""Postmark: its adapter, and what of its interface is a matter of its own."""
