"""Items into requests, and answers into outcomes."""
