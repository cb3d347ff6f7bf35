"""Edge: the calls to AWS (SQS, DynamoDB, Secrets Manager)."""
