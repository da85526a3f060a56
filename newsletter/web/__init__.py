"""Where people and providers come in: readers, the site, webhooks, and the front page."""
