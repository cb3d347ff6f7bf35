"""What makes a record safe once its items have their outcomes, and when it comes again."""
