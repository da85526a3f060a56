"""What tests stand on: processes, servers, databases, builders, and the eye of a browser."""
