"""Configuration of the pages and of the commands of the example."""

from django.apps import AppConfig


class PagesConfig(AppConfig):
    """What a visitor of the example sees."""

    name = "example.pages"
    label = "pages"
