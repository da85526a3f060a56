"""A provider to develop and test against: real wire formats, a mailbox, signed webhooks, ordered faults.

It knows nothing of the newsletter service: what it understands comes from the
providers' own contracts, so that the service can be tested against it.
"""
