"""Addresses of the example."""

from django.contrib import admin
from django.urls import path

from example.pages import views

urlpatterns = [
    path("", views.home, name="home"),
    path("activity/<str:title>/", views.activity, name="activity"),
    path("as/<int:user_id>/activity/<str:title>/", views.activity, name="activity-as"),
    path("goto/<uuid:link>/<uuid:user>/", views.goto, name="goto"),
    path("stats/", views.stats, name="stats"),
    path("admin/", admin.site.urls),
]
