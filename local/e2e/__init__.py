"""The template as a stack in LocalStack, and all that an operator does with it (`make e2e`)."""
