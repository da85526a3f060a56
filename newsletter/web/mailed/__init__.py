"""What stands behind the links of a mail: no account, no script, and no GET that changes anything."""
