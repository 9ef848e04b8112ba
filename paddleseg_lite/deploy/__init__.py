"""Exported networks: writing, checking, running and keeping them."""
