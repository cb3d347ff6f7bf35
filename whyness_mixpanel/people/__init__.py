"""People's profiles at Mixpanel, a projection of tables. `manage.py mixpanel_profiles sync` sends them."""

from whyness_mixpanel.people.profile import Profile, register

__all__ = ["Profile", "register"]
