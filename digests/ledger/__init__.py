"""The ledger of copies: planned, claimed, settled, proven, and the books that close."""
