"""A fault proxy in front of the AWS emulator: real requests go through, and on demand some come to grief.

    python -m local.chaos.proxy --upstream http://127.0.0.1:4566

prints a JSON line with its URL. `/_proxy/faults` switches the faults: POST a fault or a list of them, GET
them with how often each struck, DELETE all. It also speaks SQS's message move task, which emulators do not.
"""
