"""Edge: checks Mixpanel itself, for the backend that posts there. Sends no event."""

from whyness_mixpanel.backends import CannotSend
from whyness_mixpanel.diagnosis.finding import Finding, State

_WAIT_S = 15.0
_CREDENTIALS = "Check SERVICE_ACCOUNT, SERVICE_PASSWORD, the account's role, PROJECT_ID and MIXPANEL_URL."


def mixpanel() -> Finding:
    """Return a finding from Mixpanel's answer to an empty list of events."""
    try:
        # Without the extra [direct] it cannot be imported.
        from whyness_mixpanel.backends.mixpanel import make_pool, read_options  # noqa: PLC0415
    except CannotSend as fault:
        return Finding(
            "mixpanel", State.WRONG, str(fault), "Install the extra [direct] in the site's environment."
        )
    pool = make_pool(read_options())
    pool.submit(1, [], _WAIT_S)
    answers = pool.wait(_WAIT_S)
    pool.abandon_all()
    if not answers or not answers[0][1].status:
        why = answers[0][1].error if answers else "the time limit was reached"
        return Finding(
            "mixpanel", State.WRONG, f"Mixpanel did not answer: {why}.", "Check MIXPANEL_URL and the network."
        )
    return _judge(answers[0][1].status)


def _judge(status: int) -> Finding:
    # Mixpanel's documentation does not say whether an empty list is accepted or a bad request.
    if status in {200, 400}:
        return Finding("mixpanel", State.OK, "Mixpanel answers, and accepts the credentials and the project.")
    if status in {401, 403, 404}:
        return Finding(
            "mixpanel",
            State.WRONG,
            f"Mixpanel refused the credentials or the project: status {status}.",
            _CREDENTIALS,
        )
    return Finding("mixpanel", State.SKIPPED, f"Mixpanel answered with status {status}.", "Try again later.")
