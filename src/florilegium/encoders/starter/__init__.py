"""The starter encoder: an ImageNet classifier whose labels are read by a text encoder."""
