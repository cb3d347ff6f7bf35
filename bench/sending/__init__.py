"""What `send()` costs a page, a queue and a database: one module per part, for `bench.django_send`."""
