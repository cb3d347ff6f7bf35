"""Edge: writes a profile, reads it back and deletes it, because nothing else tells a wrong PROJECT_TOKEN."""

import os
import time
from collections.abc import Callable

from whyness_mixpanel import conf
from whyness_mixpanel.diagnosis.finding import Finding, State
from whyness_mixpanel.people import engage
from whyness_mixpanel.people.engage import Verdict
from whyness_mixpanel.people.profile import registered
from whyness_mixpanel.people.query import ProfileQueries
from whyness_mixpanel.people.update import CANARY, MARK, Project
from whyness_mixpanel.setting import NotSet
from whyness_ops.audit.audit_command import credentials
from whyness_ops.audit.export_pace import Pace
from whyness_ops.errors import NotJudged, UsageFault

# Mixpanel does not document how long a change takes until it shows.
_WAITS_S = (0.0, 2.0, 5.0, 10.0, 20.0)
_AGAIN = (
    "Check PROJECT_TOKEN, PROJECT_ID and MIXPANEL_URL. If they are right, run this again in some hours: "
    f"Mixpanel may be late. The profile {CANARY} stays there until this command has found it."
)


def profiles(wait: Callable[[float], object] = time.sleep) -> list[Finding]:
    """Return a finding, where profiles are registered; `wait` waits for a number of seconds."""
    if not any(one.is_installed for one in registered()):
        return []
    if not conf.ENABLED.get() or conf.BACKEND.get() in conf.LOCAL_BACKENDS:
        return [Finding("profiles", State.SKIPPED, "This site sends nothing to Mixpanel.")]
    try:
        conf.PROJECT_TOKEN.require()
    except NotSet as error:
        return [Finding("profiles", State.WRONG, str(error), "Set it: without it no profile is sent.")]
    try:
        account, project_id = credentials(os.environ), str(conf.PROJECT_ID.require())
    except (UsageFault, NotSet) as error:
        unknown = f"It is unknown whether PROJECT_TOKEN is right. {error}"
        return [Finding("profiles", State.SKIPPED, unknown, "Set it, as for mixpanel_profiles verify.")]
    pace = Pace(time.monotonic, wait, lambda _: None, "queries")
    project = Project.from_settings()
    return [_tried(project, ProfileQueries(project.url, project_id, account, pace), wait)]


def _tried(project: Project, queries: ProfileQueries, wait: Callable[[float], object]) -> Finding:
    """Return what became of a profile that is written; one that an earlier run left is as good."""
    post = engage.poster(project.url)
    reply = post(engage.body_of([project.canary()]))
    verdict = engage.judge(reply, 1)
    if verdict is not Verdict.YES:
        state = State.WRONG if verdict in {Verdict.SETUP, Verdict.NO} else State.SKIPPED
        told = f"Mixpanel did not accept a test profile: status {reply.status}."
        return Finding("profiles", state, told, "Check MIXPANEL_URL and the network, or try again later.")
    try:
        is_found = _is_found(project, queries, wait)
    except NotJudged as error:
        return Finding("profiles", State.SKIPPED, str(error), "Try again later, or correct that.")
    if not is_found:
        told = (
            "A test profile was accepted, and is not in the project. PROJECT_TOKEN may be another project's."
        )
        return Finding("profiles", State.WRONG, told, _AGAIN)
    post(engage.body_of([project.canary(is_delete=True)]))
    return Finding("profiles", State.OK, "A test profile was written, found in the project and deleted.")


def _is_found(project: Project, queries: ProfileQueries, wait: Callable[[float], object]) -> bool:
    for wait_s in _WAITS_S:
        wait(wait_s)
        if any(each.properties.get(MARK) == project.mark for each in queries.named(CANARY)):
            return True
    return False
