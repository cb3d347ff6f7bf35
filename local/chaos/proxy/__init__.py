"""A fault proxy in front of the AWS emulator: it forwards requests, and lets some of them fail.

    python -m local.chaos.proxy --upstream http://127.0.0.1:4566

prints a JSON line with its URL. `/_proxy/faults` switches faults: POST adds a fault or a list of them, GET
lists them with how often each struck, DELETE removes all. The proxy also runs SQS's message move tasks, which
the emulator lacks.
"""
