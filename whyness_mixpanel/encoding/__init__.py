"""Pure: from what a call site assigned to an event to what the contract takes."""
