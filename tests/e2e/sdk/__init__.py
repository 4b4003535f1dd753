"""The official SDKs behind one face: `ask` in, what the SDK gave its user out, as JSON. One module for each language."""
