"""Configuration of the pages and of the commands of the example."""

from django.apps import AppConfig


class PagesConfig(AppConfig):
    """The pages of the example."""

    name = "example.pages"
    label = "pages"
