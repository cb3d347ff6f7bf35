"""The app's migrations, since its first version."""
