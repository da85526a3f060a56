"""Handing copies to a provider, each once: starting, claiming, posting, and settling what nobody knows."""
