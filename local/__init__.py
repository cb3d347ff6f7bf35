"""The pipeline on one machine: emulated AWS, the real Lambda runtime, a Mixpanel simulator, and the demo."""
