"""What happens in a stack now: numbers, findings, lines as they are written."""
