"""What `send()` costs a page, a queue and a database: each module measures a part for `bench.django_send`."""
