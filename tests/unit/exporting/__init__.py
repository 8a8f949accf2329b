"""Tests; this file gives test modules of one name in two folders different names."""
