"""Vector stores: records in, nearest matches out."""
