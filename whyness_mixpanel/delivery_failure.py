"""The model behind the admin's page of delivery failures: a name and permissions, no rows."""

from whyness_mixpanel.tables import Log


class DeliveryFailure(Log):
    """Events that did not reach Mixpanel. They are in DynamoDB: never query this model."""

    class Meta:
        """Permissions of the page: to view failures, and to send them again."""

        proxy = True
        verbose_name = "delivery failure"
        verbose_name_plural = "delivery failures"
        default_permissions = ("view",)
        permissions = (("redrive_deliveryfailure", "Can send delivery failures again"),)
