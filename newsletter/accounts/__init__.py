"""Who may come in and what they may do: accounts, sessions, tokens, and the log of every change."""
