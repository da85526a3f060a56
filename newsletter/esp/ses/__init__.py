"""Amazon SES: its adapter, and what it takes of AWS: signed requests, and notifications by SNS."""
