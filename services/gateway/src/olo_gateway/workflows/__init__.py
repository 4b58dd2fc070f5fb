"""The workflows that the gateway hosts."""
