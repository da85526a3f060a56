"""What is sent: the store of comparisons, the editions made of it, and the ledger of their copies."""
