"""Servers that larder is tried against: llama.cpp's own, and stand-ins for services that no registry ships."""
