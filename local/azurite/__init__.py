"""The real Azure Storage emulator, started on free ports and stopped again."""
