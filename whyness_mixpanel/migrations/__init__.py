"""The app's migrations, from its oldest version on."""
