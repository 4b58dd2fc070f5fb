"""Office Open XML: a zip archive of XML parts."""
