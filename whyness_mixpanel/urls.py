"""For a load balancer or a monitor: `path("mixpanel/", include("whyness_mixpanel.urls"))`."""

from django.urls import path

from whyness_mixpanel.views import health

app_name = "whyness_mixpanel"
urlpatterns = [path("health/", health, name="health")]
