"""What the Lambda does with the contract's messages.

Pure: decode, translate, useragent, packing, outcome, sending, letters, settle, deliver.
Edges: mixpanel (HTTP), credentials (Secrets Manager), dead_letters (SQS), log_table (DynamoDB), settings.
"""
