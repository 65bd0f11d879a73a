"""Plays peers against the programs of this repository: installs them, starts what they connect to, judges and reports."""
