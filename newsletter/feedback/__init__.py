"""What comes back: providers' events, opens and clicks, suppressions, and what they add up to."""
