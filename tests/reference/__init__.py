"""What the docs' generated parts say, made from the code. `tests.unit.test_docs` compares and writes them."""
