"""Deletes the profiles of people who are forgotten, at once, while a pass may be sending."""

from collections import defaultdict
from collections.abc import Sequence

from whyness_mixpanel.people import engage
from whyness_mixpanel.people.engage import Post, Verdict
from whyness_mixpanel.people.state import Known, Sender
from whyness_mixpanel.people.update import Project, Update

_PEOPLE = 300


def delete_profiles(people: Sequence[str], *, project: Project, sender: Sender, post: Post) -> Verdict:
    """Delete people's profiles under every spelling, also those that the browser's library made.

    The lease is taken by force: the answer to a request that is open counts no more, and its people stay
    unsure. A person who was unsure before stays so too, and a pass deletes the profile once more.

    Args:
        people: who are suppressed already, so that no pass sends anything about them again.
        project: where the profiles are.
        sender: marks the people, and gives the lease back.
        post: posts the body of a request.
    """
    sender.take(by_force=True)
    try:
        for start in range(0, len(people), _PEOPLE):
            verdict = _delete(people[start : start + _PEOPLE], project, sender, post)
            if verdict is not Verdict.YES:
                return verdict
    finally:
        sender.release()
    return Verdict.YES


def _delete(people: Sequence[str], project: Project, sender: Sender, post: Post) -> Verdict:
    known: dict[str, list[Known]] = defaultdict(list)
    for source, state in sender.about(people):
        known[source].append(state)
    for source, states in known.items():
        sender.mark(source, states)
    objects = [text for person in people for text in project.deletes(person)]
    verdict = engage.judge(post(engage.body_of(objects)), len(objects))
    if verdict is Verdict.YES:
        for source, states in known.items():
            sure = [state for state in states if state.unsure_at is None]
            sender.settle(source, [Update(state.key, state.person) for state in sure])
    return verdict
