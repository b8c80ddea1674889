"""An emulator of Twilio for tests and demonstrations."""
