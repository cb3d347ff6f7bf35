"""What the admin's page about the Log table of the stack hangs on: a name and permissions, no rows."""

from whyness_mixpanel.tables import Log


class DeliveryFailure(Log):
    """Events that did not reach Mixpanel, as DynamoDB knows them. Never query it: `Log` is another thing."""

    class Meta:
        """Permissions of the page: to look, and to send again."""

        proxy = True
        verbose_name = "delivery failure"
        verbose_name_plural = "delivery failures"
        default_permissions = ("view",)
        permissions = (("redrive_deliveryfailure", "Can send delivery failures again"),)
