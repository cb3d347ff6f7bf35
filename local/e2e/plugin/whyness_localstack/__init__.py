"""What LocalStack lacks for this project."""
