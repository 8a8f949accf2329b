"""Contract suites and fakes for those who write backends. Imports nothing by itself."""
