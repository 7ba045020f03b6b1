"""Schedules: studies sent by the clock."""
