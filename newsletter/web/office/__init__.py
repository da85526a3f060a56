"""The staff's pages: coming in, people, schedules, the console, accounts and the log of changes."""
