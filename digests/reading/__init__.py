"""A compare page, as text or JSON -> what it says; a refusal names the line."""
