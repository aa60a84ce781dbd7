"""Tests of `ImagesApi` and its helpers."""
