"""What the end-to-end tests stand on: origins that count, the program under test, raw HTTP."""
