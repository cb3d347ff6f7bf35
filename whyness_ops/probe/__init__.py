"""What Mixpanel really does with some crafted events, beside what this project believes."""
